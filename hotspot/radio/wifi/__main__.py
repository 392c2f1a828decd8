# SPDX-License-Identifier: GPL-2.0-or-later
"""`farfield-wifi-bridge` or `python -m hotspot.radio.wifi`: opens the interface, drops privileges, serves hotspots.

Exit codes: 0 stopped, 1 failed, 2 usage, 6 root or a capability is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

from hotspot.radio import messages
from hotspot.radio.pcap import PipeError
from hotspot.radio.wifi.bridge import Bridge
from hotspot.radio.wifi.frames import load
from hotspot.radio.wifi.ports import PortError, open_port
from hotspot.radio.wifi.privileges import CAP_NET_ADMIN, PrivilegeError, drop

FAILED, FORBIDDEN = 1, 6
DEFAULT_SOCKET = "/run/farfield/wifi.sock"
DEFAULT_USER = "nobody"
SOCKET_MODE = 0o660
BACKLOG = 4


class StartError(Exception):
    """The bridge cannot start; a sentence and the exit code."""

    def __init__(self, sentence: str, code: int = FAILED) -> None:
        super().__init__(sentence)
        self.code = code


def listen(path: Path) -> socket.socket:
    """A socket for hotspots at a path: for the owner and group of its directory. StartError with a sentence."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with messages.address(path) as where:
            served = _is_served(where)
            if not served:
                _bind(made, path, where)
    except OSError as error:
        made.close()
        raise StartError(f"Cannot make the socket {path}: {error.strerror}. Does its directory exist?") from error
    if served:
        made.close()
        raise StartError(f"A bridge already serves {path}. Stop it, or choose another --socket.")
    return made


def _is_served(where: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
        probe.connect(where)
        return True
    return False


def _bind(made: socket.socket, path: Path, where: str) -> None:
    path.unlink(missing_ok=True)
    made.bind(where)
    path.chmod(SOCKET_MODE)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
    made.listen(BACKLOG)


async def _run(interface: str, socket_path: Path, user: str | None) -> str:
    """Serves until SIGTERM or SIGINT; a sentence when the interface failed."""
    port = open_port(interface)
    listening = listen(socket_path)
    load()  # whom it becomes may not be allowed to read where Python lies
    drop(user, frozenset() if port.tuner is None else frozenset({CAP_NET_ADMIN}))
    bridge = Bridge(port, interface)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, bridge.stop)
    # Not start_unix_server: from Python 3.13 on it asks for the socket's path, which we may not be allowed to by now.
    server = await asyncio.start_server(bridge.serve, sock=listening)
    tunes = "sets channel and power itself" if port.tuner else "leaves channel and power as they are"
    _say(f"the bridge on {interface} {tunes}; hotspots connect to {socket_path}")
    try:
        await bridge.run()
    finally:
        server.close()
    return bridge.failed


def _say(sentence: str) -> None:
    print(f"wifi: {sentence}", file=sys.stderr, flush=True)  # noqa: T201 - it has no other voice


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="farfield-wifi-bridge", description="Sends and hears Farfield beacons on a Wi-Fi monitor interface."
    )
    parser.add_argument("--iface", required=True, metavar="NAME|pipe:PATH", help="monitor interface, or two FIFOs")
    parser.add_argument("--socket", type=Path, default=Path(DEFAULT_SOCKET), metavar="PATH", help="where hotspots ask")
    parser.add_argument("--user", help=f"whom to become when started as root; {DEFAULT_USER} on an interface")
    return parser.parse_args()


def main() -> int:
    """Parses the arguments and runs; every failure is a sentence on standard error."""
    arguments = _arguments()
    user = arguments.user or (None if arguments.iface.startswith("pipe:") else DEFAULT_USER)
    try:
        failed = asyncio.run(_run(arguments.iface, arguments.socket, user))
    except StartError as error:
        _say(str(error))
        return error.code
    except (PipeError, PrivilegeError) as error:
        _say(str(error))
        return FAILED
    except PortError as error:
        _say(str(error))
        return FORBIDDEN if error.forbidden else FAILED
    if failed:
        _say(failed)
    with contextlib.suppress(OSError):  # the directory may be somebody else's by now; then the next start clears up
        arguments.socket.unlink(missing_ok=True)
    return FAILED if failed else 0


if __name__ == "__main__":
    sys.exit(main())
