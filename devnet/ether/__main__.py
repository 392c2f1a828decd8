"""`python -m devnet.ether --config FILE`: runs the ether until SIGTERM, SIGINT or a `stop` on its control socket.

Exit codes: 0 stopped with its report written, 1 failed, 2 the configuration cannot be used.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from devnet.ether.config import ConfigError, load_config
from devnet.ether.medium import AttachError
from devnet.ether.process import Ether
from devnet.ether.trace import ReceptionsError

FAILED, USAGE = 1, 2


async def _serve(config_path: Path) -> None:
    await Ether(load_config(config_path)).serve()


def main() -> int:
    """Parses the arguments and runs; every failure is a sentence on standard error."""
    parser = argparse.ArgumentParser(prog="python -m devnet.ether", description="The radio ether of the devnet.")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="JSON configuration")
    arguments = parser.parse_args()
    try:
        asyncio.run(_serve(arguments.config))
    except (ConfigError, ReceptionsError, AttachError) as error:
        print(f"ether: {error}", file=sys.stderr)
        return USAGE
    except OSError as error:
        print(f"ether: {error}", file=sys.stderr)
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
