"""The one command. Groups load lazily, so `farfield --help` starts fast on a small board."""

from __future__ import annotations

import importlib
import importlib.util

import click

GROUPS = {
    "hotspot": ("hotspot.command", "Run a hotspot: listen, beacon, witness, earn."),
    "validator": ("validator.command", "Run a validator, or audit an epoch yourself."),
    "map": ("coverage_maps.command", "Look at coverage: serve the map, read need and gaps."),
    "network": ("chain.command", "Show or check the network a network.json names."),
    "gov": ("chain.governance.command", "Vote on what holders decide: parameters, validators, freezing, a wrong root."),
    "devnet": ("devnet.command", "A whole network on this machine, with a simulated radio ether."),
}


COMPLETION, COMPLETION_SENTENCE = "completion", "Print a shell's completion script: eval it, or keep it in a file."


class LazyGroups(click.Group):
    """Imports a command group only when it is used; `--help` lists them without importing any."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in GROUPS if _is_here(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == completion.name:
            return completion
        if cmd_name not in GROUPS:
            return None
        if not _is_here(cmd_name):
            ctx.fail(f"This file holds the hotspot alone; `{cmd_name}` is in the full installation.")
        return importlib.import_module(GROUPS[cmd_name][0]).group

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            names = [(name, GROUPS[name][1]) for name in self.list_commands(ctx)]
            formatter.write_dl([*names, (COMPLETION, COMPLETION_SENTENCE)])


def _is_here(name: str) -> bool:
    """True where the group's package is installed; the one-file hotspot holds some of them only."""
    return importlib.util.find_spec(GROUPS[name][0].partition(".")[0]) is not None


@click.command(COMPLETION, help=COMPLETION_SENTENCE)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(main, {}, "farfield", "_FARFIELD_COMPLETE").source())


@click.group(cls=LazyGroups, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="farfield")
def main() -> None:
    """Farfield pays you for radio coverage where there is none, and lets anyone check that it is real."""


if __name__ == "__main__":
    main()
