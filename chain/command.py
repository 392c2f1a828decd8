"""farfield network: show, check, deploy. Heavy libraries are imported by the command that needs them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from chain.deploy_command import deploy
from chain.terminal import FINDINGS, UNREACHABLE, end, json_option, print_json

if TYPE_CHECKING:
    from chain.reader import ChainReader

network_option = click.option(
    "--network", default="network.json", show_default=True, metavar="FILE|URL", help="The network's file or address."
)


@click.group()
def group() -> None:
    """Show or check the network a network.json names, or deploy one.

    Exit codes: 0 fine, 1 the file cannot be used, 2 usage, 3 something is wrong with the network, 5 unreachable.
    """


group.add_command(deploy)


@group.command()
@network_option
@json_option
def show(network: str, as_json: bool) -> None:
    """Print what a network is: contracts, genesis, emission, fees, the vote's rules, and what is simulated."""
    from chain import describe
    from chain.errors import ChainError

    reader = _reader(network)
    file, chain, problem = describe.file_facts(reader.network), None, ""
    try:
        chain = describe.chain_facts(reader)
    except ChainError as error:
        problem = str(error)
    finally:
        reader.close()
    if as_json:
        print_json({"file": file, "chain": chain})
    else:
        click.echo("\n".join(describe.lines(file, chain)))
    if problem:
        end(problem, UNREACHABLE)


@group.command()
@network_option
@json_option
def check(network: str, as_json: bool) -> None:
    """Compare a network's file with its chain: chain id, genesis, contracts, parameters, validators."""
    from chain.errors import ChainError

    reader = _reader(network)
    try:
        findings = reader.check()
    except ChainError as error:
        if as_json:
            print_json({"reachable": False, "findings": [str(error)]})
        end(str(error), UNREACHABLE)
    finally:
        reader.close()
    if as_json:
        print_json({"reachable": True, "findings": findings})
    else:
        click.echo("\n".join(findings) or f"{reader.network.name} is what its file says.")
    sys.exit(FINDINGS if findings else 0)


def _reader(source: str) -> ChainReader:
    from chain.network import NetworkFileError, load
    from chain.reader import ChainReader

    try:
        return ChainReader(load(source))
    except NetworkFileError as error:
        end(str(error))
