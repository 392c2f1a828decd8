"""farfield hotspot service: a systemd unit that keeps the hotspot running, and nothing it does not need."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click

from chain.terminal import FAILED, KEY_PROBLEM, end, json_option, print_json
from hotspot.commands.shared import directory_option

SYSTEM_UNITS = Path("/etc/systemd/system")
EXECUTABLE_VARIABLE = "FARFIELD_EXECUTABLE"


def _plain(_: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A callback for names that systemd reads."""
    if value is not None and not re.fullmatch("[A-Za-z0-9_][A-Za-z0-9:_.@-]{0,99}", value):
        raise click.BadParameter("a name has letters, digits and : _ . @ - only.", param=parameter)
    return value


@click.group()
def service() -> None:
    """Run the hotspot for good, under systemd."""


@service.command("install")
@directory_option
@click.option("--name", default="farfield-hotspot", show_default=True, callback=_plain, help="Of the unit.")
@click.option("--user", "as_user", is_flag=True, help="For your own account (systemctl --user); needs no root.")
@click.option(
    "--account", default=None, metavar="NAME", callback=_plain, help="Whose key it is; default: the owner of DIR."
)
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    default=None,
    help="What opens an encrypted key or a token; systemd hands it over as a credential.",
)
@click.option("--print", "only_print", is_flag=True, help="Print the unit and change nothing.")
@click.option("--no-start", is_flag=True, help="Write the unit, but do not enable and start it.")
@json_option
def install(
    directory: Path,
    name: str,
    as_user: bool,
    account: str | None,
    passphrase_file: Path | None,
    only_print: bool,
    no_start: bool,
    as_json: bool,
) -> None:
    """Write a hardened systemd unit for this hotspot's directory, and start it."""
    from hotspot.running.service import unit

    home = directory.resolve()
    if not home.is_dir():
        end(f"{home} does not exist; `farfield hotspot init` makes it.", FAILED)
    text = unit(
        _executable(),
        home,
        None if as_user else (account or home.owner()),
        uses_devices=_uses_devices(home),
        passphrase_file=None if passphrase_file is None else passphrase_file.resolve(),
    )
    path = (_user_units() if as_user else SYSTEM_UNITS) / f"{name}.service"
    if only_print:
        click.echo(text, nl=False)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except PermissionError:
        end(f"Cannot write {path}: run it with sudo, or use --user.", KEY_PROBLEM)
    except OSError as error:
        end(f"Cannot write {path}: {error.strerror}. Is there systemd on this machine? --print shows the unit.", FAILED)
    if not no_start:
        _start(name, as_user=as_user)
    if as_json:
        print_json({"unit": str(path), "started": not no_start})
    else:
        click.echo(f"{path} is written." + ("" if no_start else f" `systemctl status {name}` shows how it does."))


def _uses_devices(home: Path) -> bool:
    """True if the hotspot reads a serial receiver or a token, which a unit without devices would not find."""
    from hotspot import config
    from hotspot.keys import TOKEN_FILE

    try:
        nmea = config.load(home).nmea
    except config.ConfigError as error:
        end(str(error), FAILED)
    return (home / TOKEN_FILE).exists() or (nmea or "").startswith("/dev/")


@service.command("uninstall")
@click.option("--name", default="farfield-hotspot", show_default=True, callback=_plain, help="Of the unit.")
@click.option("--user", "as_user", is_flag=True, help="The unit of your own account.")
def uninstall(name: str, as_user: bool) -> None:
    """Stop the hotspot and remove its unit; key, settings and reports stay."""
    path = (_user_units() if as_user else SYSTEM_UNITS) / f"{name}.service"
    if not path.exists():
        end(f"There is no {path}.", FAILED)
    _systemctl(as_user, "disable", "--now", name)
    path.unlink()
    _systemctl(as_user, "daemon-reload")
    click.echo(f"{path} is removed; the hotspot's directory is as it was.")


def _start(name: str, *, as_user: bool) -> None:
    for arguments in (("daemon-reload",), ("enable", "--now", name)):
        problem = _systemctl(as_user, *arguments)
        if problem:
            end(f"The unit is written, but systemd did not start it: {problem}", FAILED)


def _systemctl(as_user: bool, *arguments: str) -> str:
    """What went wrong; empty if nothing did."""
    try:
        done = subprocess.run(
            ["systemctl", *(["--user"] if as_user else []), *arguments],
            env={name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"},
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        return f"systemctl cannot be run ({error.strerror})."
    return done.stderr.strip() or f"systemctl ended with {done.returncode}." if done.returncode else ""


def _user_units() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "systemd" / "user"


def _executable() -> list[str]:
    """What starts this very program."""
    packed = os.environ.get(EXECUTABLE_VARIABLE)
    if packed and getattr(sys, "frozen", False):
        return [str(Path(packed).resolve())]
    beside = Path(sys.executable).with_name("farfield")
    return [str(beside)] if beside.exists() else [sys.executable, "-m", "farfield"]
