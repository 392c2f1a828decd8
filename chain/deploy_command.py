"""farfield network deploy: puts a network on a chain, says what it would do, or checks one that stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chain.terminal import UNVERIFIED, json_option, print_json
from chain.transacting.options import Stop, ends_with_a_sentence, network_option, unicode_text

if TYPE_CHECKING:
    from chain.deploy import Deployment, Plan, Preview
    from chain.network import Contracts, NetworkFile, ValidatorEntry
    from protocol.parameters import Parameters

LEAST_VALIDATORS = 4
FILE = click.Path(path_type=Path, dir_okay=False)
COIN_WEI = 10**18
UNIX_TIME = re.compile(r"[0-9]{1,11}")
"""Seconds of the next three thousand years; a constructor that takes 64 bits refuses nothing of it."""


@click.command()
@network_option
@click.option("--verify", is_flag=True, help="Compare what --network names with this release, and change nothing.")
@click.option("--dry-run", is_flag=True, help="Simulate, print addresses, roles, parameters and cost; send nothing.")
@click.option("--force", is_flag=True, help="Send although the simulation says that it fails.")
@click.option("--params", type=FILE, metavar="FILE", help="The network's params file.")
@click.option("--validators", type=FILE, metavar="FILE", help="The first validators, as network.json lists them.")
@click.option("--rpc", metavar="URL", help="The chain's RPC address; more can be added to network.json later.")
@click.option("--chain-id", type=click.IntRange(1), help="The chain it must be; nothing is signed for another.")
@click.option("--key", type=FILE, metavar="FILE", help="The key that pays; it holds no role afterwards.")
@click.option("--genesis", metavar="TIME", help="Start of epoch 0: 2027-01-01T00:00:00Z, or seconds of unix time.")
@click.option("--name", default="farfield", show_default=True, callback=unicode_text, help="The network's name.")
@click.option("--map-url", default="", callback=unicode_text, help="Where its map is served.")
@click.option("--confirmations", type=click.IntRange(0), help="For chains without finalized blocks.")
@json_option
@ends_with_a_sentence
def deploy(network: str, verify: bool, dry_run: bool, params: Path | None, as_json: bool, **options: Any) -> None:
    """Put a network's contracts on a chain and write its file (--network), or check one that stands (--verify).

    It is simulated first, and nothing is sent that a simulation says will fail.

    Exit codes: 0 fine, 1 refused or failed, 2 usage, 5 nothing answers, 6 the key cannot be used, 7 what stands on
    chain is not what this release deploys.
    """
    if verify:
        return _verify(network, params, as_json)
    missing = [name for name in ("validators", "rpc", "chain_id", "key", "genesis") if options[name] is None]
    if params is None or missing:
        named = ["params"] * (params is None) + missing
        raise click.UsageError("Give " + ", ".join("--" + one.replace("_", "-") for one in named) + ", or --verify.")
    if dry_run:
        return _dry_run(params, as_json, options)
    return _deploy(network, params, as_json, options)


# --- checking what stands ---------------------------------------------------------------------------------------------


def _verify(source: str, params: Path | None, as_json: bool) -> None:
    from chain import verify
    from chain.network import load
    from chain.reader import ChainReader

    reader = ChainReader(load(source))
    try:
        found = verify.findings(reader, None if params is None else _params(params)[0])
        roles = verify.role_holders(reader) if not found else {}
    finally:
        reader.close()
    if as_json:
        print_json({"verified": not found, "findings": found, "roles": roles})
    else:
        click.echo("\n".join(found) or f"{reader.network.name}: code, wiring and roles are those of this release.")
    if found:
        raise Stop("It is not what this release deploys. Do not use it before you know why.", UNVERIFIED)


# --- what is asked for ------------------------------------------------------------------------------------------------


def _params(path: Path) -> tuple[Parameters, bytes]:
    """The params and their hash with this release's rulebook."""
    from protocol.parameters import ParameterError, params_hash, parse
    from protocol.rulebook import TEXT

    text = _bytes(path)
    try:
        params = parse(text)
    except ParameterError as error:
        raise Stop(f"{path}: {error}. Correct the file.") from error
    problems = params.problems()
    if problems:
        raise Stop(f"{path}: {'; '.join(problems)}. Correct the file.")
    return params, params_hash(text, TEXT)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Stop(f"{path} cannot be read: {error.strerror}. Check its path.") from error


def _validators(path: Path) -> tuple[ValidatorEntry, ...]:
    from chain.network import parse_validators

    entries = parse_validators(_bytes(path))
    if len(entries) < LEAST_VALIDATORS:
        raise Stop(f"{path} names {len(entries)} validators; a network starts with at least {LEAST_VALIDATORS}.")
    return entries


def _genesis_ms(text: str) -> int:
    if UNIX_TIME.fullmatch(text):
        return int(text) * 1_000
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Stop(f"{text[:40]!r} is not a time: give it as 2027-01-01T00:00:00Z.") from error
    seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    if seconds < 0:
        raise Stop(f"{text!r} is before 1970, where a chain's clock begins: give a later time.")
    return seconds * 1_000


def _plan(params: Path, options: Mapping[str, Any]) -> tuple[Plan, tuple[ValidatorEntry, ...]]:
    from chain.deploy import Plan

    entries = _validators(options["validators"])
    parsed, digest = _params(params)
    members = [(one.owner, one.key) for one in entries]
    return Plan.of(parsed, digest, _genesis_ms(options["genesis"]), members), entries


# --- simulating and deploying -----------------------------------------------------------------------------------------


def _dry_run(params: Path, as_json: bool, options: Mapping[str, Any]) -> None:
    plan, _ = _plan(params, options)
    found = _preview(plan, options)
    shape = _foretold(plan, found, options, dry_run=True)
    if as_json:
        print_json(shape)
    else:
        click.echo("\n".join([*_lines(shape), "Nothing was sent. Without --dry-run it is."]))
    if found.problems and not options["force"]:
        raise Stop(" ".join(found.problems))


def _preview(plan: Plan, options: Mapping[str, Any]) -> Preview:
    from chain.deploy import preview
    from chain.key_files import load_key
    from protocol.keys import quorum_address

    return preview(options["rpc"], quorum_address(load_key(options["key"])), options["chain_id"], plan)


def _foretold(plan: Plan, found: Preview, options: Mapping[str, Any], *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        **_report(plan, found.contracts, options["chain_id"]),
        "gas": found.gas_used,
        "most_it_can_cost_wei": str(found.max_gas * found.gas_price_wei),
        "balance_wei": str(found.balance_wei),
        "problems": list(found.problems),
    }


def _deploy(target: str, params: Path, as_json: bool, options: Mapping[str, Any]) -> None:
    from chain.deploy import deploy
    from chain.key_files import load_key
    from chain.network import dump

    path = Path(target)
    plan, entries = _plan(params, options)
    with _reserved(path):
        _say_where(_refuse_what_fails(plan, entries, as_json, options))
        deployed = deploy(options["rpc"], load_key(options["key"]).secret, options["chain_id"], plan)
    network = _network(plan, entries, deployed, options)
    _write(path, dump(network))
    shape = {"dry_run": False, **_report(plan, deployed.contracts, deployed.chain_id), "gas": deployed.gas_used}
    if not as_json:
        name = click.format_filename(path)
        click.echo("\n".join([*_lines(shape), f"{name} is written. Give it to everybody who takes part."]))
    _check_deployed(network, params, shape if as_json else None)


@contextmanager
def _reserved(path: Path) -> Iterator[None]:
    """Makes the network's file before anything is paid for, and takes it away again if nothing comes of it."""
    try:
        path.open("x").close()
    except FileExistsError as error:
        raise Stop(f"{path} exists already. Name another file with --network, or move it away.") from error
    except OSError as error:
        raise Stop(f"{path} cannot be written: {error.strerror}. Name another file with --network.") from error
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _refuse_what_fails(
    plan: Plan, entries: tuple[ValidatorEntry, ...], as_json: bool, options: Mapping[str, Any]
) -> Contracts:
    """Where it will stand. Stop, before anything is sent, if the simulation or the network's file says it cannot."""
    from chain.deploy import Deployment

    found = _preview(plan, options)
    draft = Deployment(options["chain_id"], bytes(32), found.contracts, 0, {})
    _refuse_unreadable(_network(plan, entries, draft, options))
    if not found.problems or options["force"]:
        return found.contracts
    if as_json:
        print_json(_foretold(plan, found, options, dry_run=False))
    raise Stop(f"{' '.join(found.problems)} Nothing was sent.")


def _say_where(contracts: Contracts) -> None:
    """On stderr before anything is sent: whoever stops waiting still knows what was paid for."""
    from chain.network import CONTRACTS, checksum

    named = ", ".join(f"{name} {checksum(getattr(contracts, name))}" for name in CONTRACTS)
    click.echo(f"Sending the contracts: {named}.", err=True)


def _refuse_unreadable(network: NetworkFile) -> None:
    """Stop if nobody could load the file that would be written."""
    from chain.network import ASK, NetworkFileError, dump, parse

    try:
        parse(dump(network).encode("utf-8"))
    except UnicodeEncodeError as error:
        raise Stop("An endpoint is not UTF-8. Correct the validators' file; nothing was sent.") from error
    except NetworkFileError as error:
        raise Stop(f"{str(error).removesuffix(ASK)}Correct the options; nothing was sent.") from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        click.echo(text)
        raise Stop(f"{path} cannot be written: {error.strerror}. What belongs into it is printed: save it.") from error


def _check_deployed(network: NetworkFile, params: Path, shape: Mapping[str, Any] | None) -> None:
    """Compares what stands now with this release; prints `shape` with what was found, whatever comes of it."""
    from chain import verify
    from chain.reader import ChainReader

    reader, found = ChainReader(network), None
    try:
        found = verify.findings(reader, _params(params)[0])
    finally:
        reader.close()
        if shape is not None:
            print_json({**shape, "findings": found})
    if found:
        raise Stop(" ".join(found), UNVERIFIED)


def _network(
    plan: Plan, entries: tuple[ValidatorEntry, ...], deployed: Deployment, options: Mapping[str, Any]
) -> NetworkFile:
    from chain.network import NetworkFile

    return NetworkFile(
        name=options["name"],
        chain_id=deployed.chain_id,
        genesis_hash=deployed.genesis_hash,
        rpc_urls=(options["rpc"],),
        contracts=deployed.contracts,
        deployed_block=deployed.block,
        params_hash=plan.params_hash,
        validators=entries,
        map_url=options["map_url"],
        confirmations=options["confirmations"],
        simulated=None,
    )


# --- reporting --------------------------------------------------------------------------------------------------------


def _report(plan: Plan, contracts: Any, chain_id: int) -> dict[str, Any]:
    """Addresses, roles and parameters of a deployment; amounts as decimal strings of base units."""
    from dataclasses import asdict

    from chain.network import CONTRACTS, checksum
    from chain.verify import expected_roles

    windows = plan.windows
    return {
        "chain_id": chain_id,
        "contracts": {name: checksum(getattr(contracts, name)) for name in CONTRACTS},
        "roles": expected_roles(contracts.timelock, contracts.governor),
        "parameters": {
            "genesis_ms": plan.genesis_ms,
            "params_hash": "0x" + plan.params_hash.hex(),
            "epoch_ms": windows.length_ms,
            "close_after_ms": windows.close_after_ms,
            "finality_ms": windows.finality_ms,
            "challenge_window_ms": windows.challenge_window_ms,
            "emission": {"first": str(plan.emission.first), "halving_epochs": plan.emission.halving_epochs},
            "fees": {name: str(amount) for name, amount in asdict(plan.fees).items()},
            "governance": {
                **asdict(plan.governance),
                "proposal_threshold": str(plan.governance.proposal_threshold),
            },
            "unbonding_epochs": plan.unbonding_epochs,
            "lock_days": plan.lock_days,
        },
        "allocations": [
            {"owner": checksum(one.owner), "key": checksum(one.key), "stake": str(one.stake)} for one in plan.validators
        ],
    }


def _lines(shape: Mapping[str, Any]) -> Iterator[str]:
    """The report for people."""
    from chain.refusals import far, moment

    yield f"chain        {shape['chain_id']}"
    for name, address in shape["contracts"].items():
        yield f"{name:12} {address}"
    for role, accounts in shape["roles"].items():
        yield f"{role:19} {', '.join(accounts)}"
    rules = shape["parameters"]
    yield f"genesis      {moment(rules['genesis_ms'] // 1_000)}, epochs of {rules['epoch_ms'] // 1_000} s"
    emission, fees, vote = rules["emission"], rules["fees"], rules["governance"]
    yield f"emission     {far(int(emission['first']))} an epoch, halved every {emission['halving_epochs']} epochs"
    yield f"fees         {far(int(fees['registration']))} to register, {far(int(fees['location']))} to move"
    yield (
        f"vote         {vote['voting_delay_s']} s until it begins, {vote['voting_period_s']} s long, "
        f"{vote['timelock_delay_s']} s in the Timelock, quorum {vote['quorum_percent']} %"
    )
    for one in shape["allocations"]:
        yield f"stake        {far(int(one['stake']))} to {one['owner']}, locked for {rules['lock_days']} days"
    if shape["gas"]:
        yield f"gas          {sum(shape['gas'].values()):,}"
    if "most_it_can_cost_wei" in shape:
        yield f"cost         at most {int(shape['most_it_can_cost_wei']) / COIN_WEI:.6f} of the chain's coin"
