"""farfield hotspot init: a directory with settings. To listen it needs nothing more: no key, no network, no wallet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chain.terminal import FAILED, end, json_option, print_json
from hotspot.commands.shared import NETWORK_VARIABLE, absolute_source, directory_option

STATUS_PORT = 8681
EVERYWHERE = "0.0.0.0:1680"
HERE = "127.0.0.1:1680"
KEPT = ("listen", "wifi_bridge", "gpsd", "gpsd_device", "status_port")
"""Options that stand in hotspot.toml under the same name."""


@click.command()
@directory_option
@click.option("--listen", default=None, metavar="HOST:PORT", help="Port for packet forwarders.")
@click.option(
    "--network", default=None, envvar=NETWORK_VARIABLE, metavar="FILE|URL", help="The network, if you know it."
)
@click.option("--wifi-bridge", default=None, metavar="PATH", help="Socket of a Wi-Fi bridge, where the radio is Wi-Fi.")
@click.option("--gpsd", default=None, metavar="HOST:PORT", help="A mapper's gpsd.")
@click.option("--gpsd-device", default=None, metavar="PATH", help="Which receiver of that gpsd.")
@click.option(
    "--status-port",
    type=click.IntRange(0, 65_535),
    default=None,
    show_default=str(STATUS_PORT),
    help="Of the local page.",
)
@click.option("--non-interactive", is_flag=True, help="Ask nothing; take what the options say.")
@json_option
def init(directory: Path, non_interactive: bool, as_json: bool, **options: Any) -> None:
    """Make a hotspot's directory; asks what it needs to know.

    To hear frames and see the page nothing else is needed: no key, no network, no wallet. Register later.
    """
    from hotspot.config import CONFIG_FILE

    is_new = not (directory / CONFIG_FILE).exists()
    if is_new and not non_interactive and not as_json:
        _ask(options)
    if is_new and options["status_port"] is None:
        options["status_port"] = STATUS_PORT
    path = make_directory(directory, options)
    steps = _next_steps(directory)
    if as_json:
        print_json({"directory": str(directory), "settings": str(path), "next": steps})
    else:
        click.echo(f"{path} is written." if is_new else f"{path} was there already; change settings in it.")
        for number, step in enumerate(steps, 1):
            click.echo(f"{number}. {step}")


def _ask(options: dict[str, Any]) -> None:
    """The wizard: three questions, each with an answer that works."""
    if options["listen"] is None and options["wifi_bridge"] is None:
        here = click.confirm("Does the packet forwarder run on this machine?", default=True)
        options["listen"] = click.prompt("Listen for it on", default=HERE if here else EVERYWHERE)
    if options["network"] is None:
        answer = click.prompt(
            "The network's network.json, file or address (empty: listen only, and register later)",
            default="",
            show_default=False,
        )
        options["network"] = answer.strip() or None


def _next_steps(directory: Path) -> list[str]:
    from hotspot import config

    found = config.load(directory)
    place = "" if directory == Path() else f" --directory {directory}"
    network = f" --network {found.network or 'NETWORK.JSON'}"
    page = f"http://127.0.0.1:{found.status_port}/ or " if found.status_port else ""
    radio = f"Let the packet forwarder send to port {found.listen.port} of this machine (see docs/gateways.md)."
    if found.wifi_bridge:
        socket = directory / found.wifi_bridge
        radio = f"Start the Wi-Fi bridge: farfield-wifi-bridge --iface mon0 --socket {socket} (see docs/hotspot.md)."
    return [
        radio,
        f"Listen: farfield hotspot run{place}",
        f"Look: {page}farfield hotspot status{place}",
        f"When you like what you hear: farfield hotspot register{place}{network} --owner 0x.. --at LAT,LON",
    ]


def make_directory(directory: Path, options: dict[str, Any]) -> Path:
    """The directory with its hotspot.toml, made where it is missing; ends the command with a sentence if it cannot."""
    from hotspot import config
    from hotspot.files import write_whole

    path = directory / config.CONFIG_FILE
    network = options.get("network")
    try:
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)  # where others may write, no key is kept
        text = _unchanged(path, options) if path.exists() else _new_text(options)
        if network is not None:
            text = config.with_network(text, absolute_source(network))
        config.parse(text)
        write_whole(path, text.encode(), mode=0o600)  # a mapper's home stands in it
        config.load(directory)
    except config.ConfigError as error:
        end(f"{path}: {error}" if str(path) not in str(error) else str(error), FAILED)
    except UnicodeEncodeError:
        end("An option is not UTF-8. Type it again in a terminal set to UTF-8.", FAILED)
    except OSError as error:
        end(f"Cannot write in {directory}: {error.strerror}. Choose another --directory.", FAILED)
    return path


def _unchanged(path: Path, options: dict[str, Any]) -> str:
    """The text of a hotspot.toml that is there; ends the command if an option says something else than it."""
    from hotspot import config

    text = path.read_text("utf-8")
    given = {key: options[key] for key in KEPT if options.get(key) is not None}
    other = config.differing(text, given)
    if other:
        keys = " and ".join(f"`{key}`" for key in other)
        flags = " and ".join(f"--{key.replace('_', '-')}" for key in other)
        end(f"{path} is there already and has another {keys}; change it there, or leave {flags} out.", FAILED)
    return text


def _new_text(options: dict[str, Any]) -> str:
    from hotspot import config

    more = [config.setting("status_port", port)] if (port := options.get("status_port")) else []
    if bridge := options.get("wifi_bridge"):
        more.append(config.setting("wifi_bridge", bridge))
    if str(options.get("kind")).startswith("mapper") and (home := options.get("at")):
        more.append(config.setting("home", home))
    listen = options["listen"] or config.DEFAULT_LISTEN
    return config.new_file(listen, options["gpsd"], options["gpsd_device"], *more)
