"""farfield validator: run, audit, status, keys. Heavy libraries are imported by the command that needs them."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any, TextIO, cast

import click

from chain.terminal import KEY_PROBLEM, OTHER_VERSION, UNREACHABLE, end, json_option, print_json

EXPLAINED = ("hotspot", "cell", "report")
network_option = click.option(
    "--network", default="network.json", show_default=True, help="The network's file or address."
)


COMMANDS = {
    "stake": "validator.staking.command",
    "unstake": "validator.staking.command",
    "set-key": "validator.staking.command",
    "suspend": "validator.staking.command",
    "veto": "validator.staking.brakes",
    "pause": "validator.staking.brakes",
}
"""Verbs of modules that are imported when they are used."""


class LazyCommands(click.Group):
    """The commands below and those of COMMANDS."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name]), cmd_name.replace("-", "_"))
        return command


@click.group(cls=LazyCommands)
def group() -> None:
    """Run a validator, or audit an epoch yourself.

    Exit codes: 0 fine, 1 failed, 2 usage, 3 not possible yet, 5 unreachable, 6 key, 7 the audit found a difference,
    8 another protocol version.
    """


@group.command()
@click.option("--network", help="The network's file or address; default: what validator.toml says, or network.json.")
@click.option(
    "--directory", type=click.Path(path_type=Path), required=True, help="Where this validator keeps its things."
)
@click.option("--listen", help="HOST:PORT to serve hotspots and peers on.")
@click.option("--key-file", type=click.Path(path_type=Path), help="The signing key's file.")
@click.option(
    "--files", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Params, regions, baselines."
)
def run(network: str | None, directory: Path, listen: str | None, key_file: Path | None, files: Path | None) -> None:
    """Take evidence in, judge it, sign roots; until Ctrl-C."""
    from validator.daemon import real_ports

    key_file = key_file.absolute() if key_file else None
    start(real_ports(), directory=directory, network=network, listen=listen, key_file=key_file, files=files)


def start(ports: Any, *, directory: Path, **flags: Any) -> None:
    """Runs a validator with the ports given and turns what stops it into a sentence and an exit code."""
    import asyncio

    from chain.errors import ChainError
    from chain.key_files import KeyFileError
    from chain.network import NetworkFileError
    from validator.config import ConfigError, load
    from validator.daemon import StartError, run

    _log_json()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        asyncio.run(run(load(directory, **flags), ports))
    except KeyFileError as error:
        end(str(error), KEY_PROBLEM)
    except (ConfigError, StartError, NetworkFileError, ChainError) as error:
        end(str(error))
    except OSError as error:
        end(f"{error.filename or directory} cannot be used: {error.strerror or error}. Check the disk and permissions.")


class PatientLog:
    """A log that never stops what it tells of: a line that a full disk does not take is lost, and counted."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._lost_lines = file, 0

    def write(self, line: str) -> None:
        try:
            self._say_what_was_lost()
            self._file.write(line)
            self._file.flush()
        except OSError:
            self._lost_lines += 1

    def flush(self) -> None:
        """Every line is flushed when it is written."""

    def _say_what_was_lost(self) -> None:
        if self._lost_lines:
            self._file.write(
                json.dumps({"event": "log_lines_lost", "level": "warning", "lines": self._lost_lines}) + "\n"
            )
            self._file.flush()
            self._lost_lines = 0


def _log_json() -> None:
    import structlog

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, PatientLog(sys.stderr))),
    )


@group.command()
@click.argument("epoch", type=click.IntRange(min=1))
@network_option
@click.option(
    "--directory", type=click.Path(path_type=Path), help="Where fetched evidence is kept; default: a new one."
)
@click.option("--explain", nargs=2, metavar="hotspot|cell|report ID", help="Print the numbers behind one id.")
@json_option
def audit(epoch: int, network: str, directory: Path | None, explain: tuple[str, str] | None, as_json: bool) -> None:
    """Compute EPOCH again from the chain and public evidence, and compare the root."""
    import asyncio
    import tempfile

    from chain.errors import ChainError
    from chain.network import NetworkFileError
    from validator.audit import AuditImpossibleError, OtherVersionError

    wanted = _explained(explain)
    try:
        with tempfile.TemporaryDirectory() as fresh:
            found = asyncio.run(_audit(epoch, network, directory or Path(fresh)))
    except OtherVersionError as error:
        end(str(error), OTHER_VERSION)
    except (AuditImpossibleError, ChainError) as error:
        end(str(error), UNREACHABLE)
    except NetworkFileError as error:
        end(str(error))
    except OSError as error:
        place = error.filename or directory or tempfile.gettempdir()
        end(
            f"{place} cannot be used: {error.strerror or error}. "
            "Make room there, or name a directory you can write to with --directory."
        )
    lines = _lines(found, wanted)
    if as_json:
        print_json({**_tree(found), "explained": lines}, indent=None)
    else:
        click.echo("\n".join([_verdict(found), *lines]))
    sys.exit(found.exit_code)


async def _audit(epoch: int, network: str, directory: Path) -> Any:
    from chain.network import load
    from validator.audit import Auditor
    from validator.engine.duckdb_engine import DuckDbEngine

    auditor = Auditor(load(network), directory, DuckDbEngine())
    try:
        return await auditor.audit(epoch)
    finally:
        await auditor.close()


def _explained(explain: tuple[str, str] | None) -> tuple[str, bytes] | None:
    if explain is None:
        return None
    what, text = explain
    digits = text.removeprefix("0x").rjust(16, "0")
    try:
        wanted = bytes.fromhex(digits)
    except ValueError:
        wanted = b""
    if what not in EXPLAINED or len(wanted) != (8 if what == "cell" else 32):
        raise click.BadParameter("give hotspot, cell or report and its id in hexadecimal", param_hint="--explain")
    return what, wanted


def _lines(found: Any, wanted: tuple[str, bytes] | None) -> list[str]:
    from validator.explain import explain

    if wanted is None or found.result is None:
        return []
    return explain(found.result, *wanted) or [f"Epoch {found.epoch} has nothing of this {wanted[0]}."]


def _tree(found: Any) -> dict[str, Any]:
    return {
        "epoch": found.epoch,
        "identical": not found.difference,
        "root_on_chain": "0x" + found.on_chain,
        "root_audited": "0x" + found.audited,
        "data_hash_on_chain": "0x" + found.data_hash_on_chain,
        "data_hash": "0x" + found.data_hash,
        "difference": found.difference,
    }


def _verdict(found: Any) -> str:
    if found.difference:
        return f"Epoch {found.epoch} DIFFERS from the root on chain. First difference: {found.difference}"
    return f"Epoch {found.epoch} is what the validators signed: root 0x{found.audited}, dataHash 0x{found.data_hash}."


@group.command()
@network_option
@json_option
def status(network: str, as_json: bool) -> None:
    """Where each validator of the network stands."""
    import asyncio

    from chain.network import NetworkFileError, load

    try:
        file = load(network)
    except NetworkFileError as error:
        end(str(error))
    rows = asyncio.run(_statuses(file))
    if as_json:
        print_json(rows, indent=None)
    else:
        for row in rows:
            state = f"settled epoch {row['settled_epoch']}" if row["answers"] else "does not answer"
            click.echo(f"{row['validator']} at {row['endpoint']}: {state}. {row['waiting']}".rstrip())
    if not any(row["answers"] for row in rows):
        sys.exit(UNREACHABLE)


async def _statuses(file: Any) -> list[dict[str, Any]]:
    from validator.wire.client import PeerClient

    rows = []
    for place, one in enumerate(file.validators, 1):
        peer = PeerClient(one.owner, one.endpoint, f"validator {place}")
        found = await peer.status()
        await peer.close()
        rows.append(
            {
                "validator": f"validator {place} (0x{one.owner.hex()[:8]})",
                "endpoint": one.endpoint,
                "answers": found is not None,
                "settled_epoch": found.settled_epoch if found else None,
                "waiting": found.waiting if found else "",
            }
        )
    return rows


@group.group()
def keys() -> None:
    """The signing key."""


@keys.command()
@click.option("--key-file", type=click.Path(path_type=Path), required=True, help="The file to make.")
@json_option
def new(key_file: Path, as_json: bool) -> None:
    """Make a signing key in a file only you can read."""
    from chain.key_files import KeyFileError, create_key
    from protocol.keys import quorum_address

    try:
        address = "0x" + quorum_address(create_key(key_file)).hex()
    except KeyFileError as error:
        end(str(error), KEY_PROBLEM)
    click.echo(json.dumps({"key": address, "file": str(key_file)}) if as_json else f"{address} in {key_file}")
