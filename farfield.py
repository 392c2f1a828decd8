"""The one command. Groups load lazily, so `farfield --help` starts fast on a small board."""

from __future__ import annotations

import importlib

import click

GROUPS = {
    "hotspot": ("hotspot.command", "Run a hotspot: beacon, witness, earn."),
    "validator": ("validator.command", "Run a validator, or audit an epoch yourself."),
    "map": ("coverage_maps.command", "Look at coverage: serve the map, read need and gaps."),
    "network": ("chain.command", "Show or check the network a network.json names."),
    "gov": ("chain.governance.command", "Vote on what holders decide: parameters, validators, freezing, a wrong root."),
    "devnet": ("devnet.command", "A whole network on this machine, with a simulated radio ether."),
}


class LazyGroups(click.Group):
    """Imports a command group only when it is used; `--help` lists them without importing any."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in GROUPS:
            return None
        return importlib.import_module(GROUPS[cmd_name][0]).group

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in GROUPS.items()])


@click.group(cls=LazyGroups, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="farfield")
def main() -> None:
    """Farfield pays you for radio coverage where there is none, and lets anyone check that it is real."""


if __name__ == "__main__":
    main()
