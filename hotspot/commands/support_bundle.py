"""farfield hotspot support-bundle: one file for whoever helps, with the secrets taken out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from chain.terminal import FAILED, end, json_option, print_json
from hotspot.commands.shared import NETWORK_FILE, directory_option, network_option


@click.command("support-bundle")
@network_option
@directory_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=None, help="Where to write it.")
@json_option
def support_bundle(network: str | None, directory: Path, out: Path | None, as_json: bool) -> None:
    """Pack status, findings, settings, log and versions into one file; keys and passwords stay out."""
    from hotspot.files import write_whole
    from hotspot.looking import support

    now_s = int(time.time())
    path = out or Path(time.strftime("farfield-support-%Y%m%d-%H%M%S.tar.gz", time.gmtime(now_s)))
    files = _files(directory, network)
    try:
        write_whole(path, support.pack(files, now_s), mode=0o600)
    except support.LeakError as error:
        end(str(error), FAILED)
    except OSError as error:
        end(f"Cannot write {path}: {error.strerror}. Choose another --out.", FAILED)
    if as_json:
        print_json({"file": str(path), "holds": sorted(files)})
    else:
        click.echo(f"{path}: {', '.join(sorted(files))}.")
        click.echo("Keys, passphrases and passwords in addresses are not in it; look at it before you send it.")


def _files(directory: Path, network: str | None) -> dict[str, Any]:
    from dataclasses import asdict

    from hotspot.config import CONFIG_FILE
    from hotspot.doctor.examine import examine
    from hotspot.looking import support
    from hotspot.looking.status_client import NotRunningError, ask, ask_log

    files: dict[str, Any] = {"versions.json": _versions()}
    settings = directory / CONFIG_FILE
    if settings.is_file():
        files["settings.json"] = support.settings_without_secrets(settings.read_text("utf-8", "replace"))
    found = examine(directory, network, NETWORK_FILE)
    files["doctor.json"] = support.tree_without_secrets([asdict(one) for one in found.findings])
    try:
        files["status.json"] = support.tree_without_secrets(ask(directory))
        files["log.json"] = support.tree_without_secrets(ask_log(directory))
    except NotRunningError as error:
        files["status.json"] = {"not_running": str(error)}
    return files


def _versions() -> dict[str, str]:
    import platform
    import sys
    from importlib.metadata import PackageNotFoundError, version

    from protocol.version import PROTOCOL_VERSION

    found = {
        "protocol": str(PROTOCOL_VERSION),
        "python": sys.version.split()[0],
        "machine": platform.machine(),
        "system": platform.platform(),
        "one_file": str(bool(getattr(sys, "frozen", False))),
    }
    for name in ("farfield", "grpcio", "web3", "h3", "cryptography"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not known"
    return found
