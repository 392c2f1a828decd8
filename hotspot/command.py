"""farfield hotspot: its verbs, each imported only when it is used, so that every one starts fast on a small board."""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "init": ("init", "Make a hotspot's directory; asks what it needs to know. Listening needs no key and no network."),
    "register": ("register", "Put this hotspot on chain through a validator, which pays the gas."),
    "run": ("run", "Beacon and witness until Ctrl-C; without key or network, listen."),
    "status": ("status", "Print what the running hotspot does."),
    "reports": ("reports", "List the reports of this hotspot; with --why, each with its verdict and reason."),
    "earnings": ("earnings", "Print what this hotspot earned, epoch by epoch."),
    "beacon": ("beacon", "Show this epoch's slots with frequency and power; transmit nothing."),
    "radio": ("radio", "What the radio hears: test it, or capture frames into a pcap file."),
    "doctor": ("doctor", "Find what keeps this hotspot from earning; every finding has a name and a fix."),
    "service": ("service", "Run the hotspot for good, under systemd."),
    "support-bundle": ("support_bundle", "Pack status, findings, settings and log into one file, without secrets."),
    "keys": ("keys", "The device key: make, show, encrypt, back up and restore it."),
    "survey": ("survey", "Measure other networks' signal, as signed input for the need map."),
    "locate": ("ownership", "Say where a hotspot stands now, or change what is known of its antenna."),
    "shares": ("ownership", "Show who holds a hotspot, or what an account holds."),
    "transfer": ("ownership", "Hand on shares of a hotspot."),
    "claim": ("ownership", "Fetch what hotspots have earned, and pay the owner."),
    "collect": ("ownership", "Pay the owner what was fetched already."),
}


class LazyCommands(click.Group):
    """Imports a verb's module when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"hotspot.commands.{COMMANDS[cmd_name][0]}")
        return getattr(module, cmd_name.replace("-", "_"))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in COMMANDS.items()])


@click.group(cls=LazyCommands)
def group() -> None:
    """Run a hotspot: listen, beacon, witness, earn.

    Exit codes: 0 fine, 1 failed, 2 usage, 3 doctor has findings or it is not possible yet, 5 nothing answers, 6 the
    key cannot be used, 7 something does not verify, 8 other protocol version.
    """
