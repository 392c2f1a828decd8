"""farfield gov: delegate, propose, vote, queue, execute, list. Heavy libraries are imported when they are used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chain.terminal import FINDINGS, json_option, print_json
from chain.transacting.options import Sending, Stop, ends_with_a_sentence, network_option, sending, unicode_text
from chain.transacting.values import ACCOUNT, HASH, HOTSPOT_ID

if TYPE_CHECKING:
    from chain.calls import Call, Motion
    from chain.governance.proposals import Standing
    from chain.network import NetworkFile
    from chain.reader import ChainReader

SUPPORT = ("against", "for", "abstain")
"""As the Governor numbers them."""
MAX_TEXT_BYTES = 4_000
why_option = click.option(
    "--why", default="", metavar="TEXT", callback=unicode_text, help="What voters should know; stands on chain."
)
proposal_argument = click.argument("name", metavar="PROPOSAL")


@click.group()
def group() -> None:
    """Vote on what holders decide: parameters, validators, freezing, a wrong root, the quorum.

    Tokens vote, staked ones too, for the account they are delegated to: delegate once before you can vote. A proposal
    waits, is voted on, waits in the Timelock, and then anyone carries it out.

    Exit codes: 0 fine, 1 refused or failed, 2 usage, 3 not possible yet, 5 nothing answers, 6 key.
    """


@group.command()
@click.argument("to", metavar="[ACCOUNT]", required=False, type=ACCOUNT)
@sending
def delegate(options: Sending, to: bytes | None) -> None:
    """Let ACCOUNT (default: your own) vote with all tokens you hold, staked ones too. It cannot move them."""
    from chain.calls import delegate as delegate_call
    from chain.network import checksum
    from chain.refusals import far
    from chain.transacting.session import Intent, carry_out, finish, session
    from protocol.ids import Address

    with session(options) as opened:
        voter = Address(to) if to is not None else opened.account
        held = opened.reader.call("FarfieldToken", "balanceOf", checksum(opened.account))
        words = [f"{checksum(voter)} votes with the {far(held)} of {checksum(opened.account)}, and what comes later."]
        told = {"delegate": checksum(voter), "votes": str(held)}
        intent = Intent([delegate_call(opened.network, voter)], words, told)
        finish(opened, intent, carry_out(opened, intent), "It counts in every vote that begins from now on.")


# --- propose ------------------------------------------------------------------------------------------------------


@group.group()
def propose() -> None:
    """Put to the vote: params, admit, freeze, cancel-root or quorum.

    Exit codes: 0 fine, 1 refused or failed, 2 usage, 5 nothing answers, 6 key.
    """


@propose.command("params")
@click.argument("params_hash", metavar="[HASH]", required=False, type=HASH)
@click.option("--file", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="The params file.")
@why_option
@sending
def propose_params(options: Sending, params_hash: bytes | None, file: Path | None, why: str) -> None:
    """Judge by other parameters: those of HASH, or of a params file with this release's rulebook."""
    from chain.calls import set_params_hash

    if (params_hash is None) == (file is None):
        raise click.UsageError("Give the hash, or the params file with --file.")
    digest = params_hash or _hash_of(file or Path())
    words = "From the first epoch on whose registry is read after that, validators judge by these parameters alone."
    _propose(options, lambda network: set_params_hash(network, digest), words, why)


def _hash_of(file: Path) -> bytes:
    from protocol.parameters import ParameterError, params_hash, parse
    from protocol.rulebook import TEXT

    data = file.read_bytes()
    try:
        problems = parse(data).problems()
    except ParameterError as error:
        raise Stop(f"{file}: {error} Correct the file.") from error
    if problems:
        raise Stop(f"{file}: {problems[0]} Correct the file.")
    return params_hash(data, TEXT)


@propose.command("admit")
@click.argument("owner", type=ACCOUNT)
@click.option("--revoke", is_flag=True, help="No longer: it may not join any more. It stays, if it is a validator.")
@why_option
@sending
def propose_admit(options: Sending, owner: bytes, revoke: bool, why: str) -> None:
    """Let OWNER (an account) stake and become a validator."""
    from chain.calls import admit
    from protocol.ids import Address

    words = (
        "It may not join any more; a validator is not put out by this."
        if revoke
        else "It may then stake and join when it likes: farfield validator stake"
    )
    _propose(options, lambda network: admit(network, Address(owner), not revoke), words, why)


@propose.command("freeze")
@click.argument("hotspot_id", metavar="ID", type=HOTSPOT_ID)
@click.option(
    "--reason",
    required=True,
    metavar="TEXT",
    callback=unicode_text,
    help="Why; its hash stands in the event, its text in the vote.",
)
@click.option("--lift", is_flag=True, help="Let a frozen hotspot earn again.")
@sending
def propose_freeze(options: Sending, hotspot_id: bytes, reason: str, lift: bool) -> None:
    """Let hotspot ID earn nothing any more. What it earned before stays its holders'."""
    from chain.calls import set_frozen
    from protocol.encoding import sha256

    digest = sha256(reason.encode("utf-8"))
    words = (
        "It earns again from the first epoch on whose registry is read after that."
        if lift
        else "It earns nothing from the first epoch on whose registry is read after that; what it earned stays."
    )
    _propose(options, lambda network: set_frozen(network, hotspot_id, digest, not lift), words, reason)


@propose.command("cancel-root")
@click.argument("epoch", type=click.IntRange(1, 2**64 - 1))
@why_option
@sending
def propose_cancel_root(options: Sending, epoch: int, why: str) -> None:
    """Drop the root of EPOCH, if it still waits for its window when this is carried out."""
    from chain.calls import cancel_root

    words = (
        "Only a root that still waits can be dropped. A vote takes longer than most windows: a third of the stake "
        "is faster, with `farfield validator veto`."
    )
    _propose(options, lambda network: cancel_root(network, epoch), words, why)


@propose.command("quorum")
@click.argument("percent", type=click.IntRange(1, 100))
@why_option
@sending
def propose_quorum(options: Sending, percent: int, why: str) -> None:
    """Ask for PERCENT of all tokens to vote for or abstain before anything passes."""
    from chain.calls import set_quorum

    words = "Votes that begin after that need so many. Too high a quorum can never be lowered again."
    _propose(options, lambda network: set_quorum(network, percent), words, why)


def _propose(options: Sending, make: Callable[[NetworkFile], Call], consequence: str, why: str) -> None:
    from chain.calls import propose as propose_call
    from chain.governance.proposals import short
    from chain.network import checksum
    from chain.transacting.session import Intent, carry_out, finish, session

    with session(options) as opened:
        decision = make(opened.network)
        text = _description(decision.what, why, checksum(opened.account))
        number = _proposal_id(opened.reader, decision, text)
        lines = [f"If it passes, the network shall {decision.what}.", consequence, _timetable(opened.reader)]
        told = {"proposal": f"0x{number:064x}", "decision": decision.what, "description": text}
        intent = Intent([propose_call(opened.network, [decision], text)], lines, told)
        outcome = carry_out(opened, intent)
        finish(opened, intent, outcome, f"Proposal {short(number)} is there. See it with: farfield gov list")


def _proposal_id(reader: ChainReader, decision: Call, text: str) -> int:
    from chain.network import checksum
    from protocol.keys import keccak256

    digest = keccak256(text.encode("utf-8"))
    return int(reader.call("FarfieldGovernor", "hashProposal", [checksum(decision.to)], [0], [decision.data], digest))


def _description(what: str, why: str, sender: str) -> str:
    """What stands on chain. Its last line keeps others from proposing the same first, to withdraw it."""
    text = "\n\n".join([f"{what[0].upper()}{what[1:]}.", *([why] if why else []), f"#proposer={sender}"])
    if len(text.encode("utf-8")) > MAX_TEXT_BYTES:
        raise Stop(f"The text is longer than {MAX_TEXT_BYTES} bytes. Publish it elsewhere and give its address here.")
    return text


def _timetable(reader: ChainReader) -> str:
    delay, period = (reader.call("FarfieldGovernor", name) for name in ("votingDelay", "votingPeriod"))
    timelock = reader.call("TimelockController", "getMinDelay")
    return (
        f"The vote begins {_duration(delay)} after this and lasts {_duration(period)}; then it waits "
        f"{_duration(timelock)} in the Timelock, and anyone can carry it out."
    )


def _duration(seconds: int) -> str:
    for unit, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit and seconds % unit == 0:
            return f"{seconds // unit} {name}"
    return f"{seconds} seconds"


# --- vote, queue, execute -----------------------------------------------------------------------------------------


@group.command()
@proposal_argument
@click.argument("support", type=click.Choice(SUPPORT))
@click.option("--reason", default="", metavar="TEXT", callback=unicode_text, help="Stands on chain beside the vote.")
@sending
def vote(options: Sending, name: str, support: str, reason: str) -> None:
    """Vote on PROPOSAL (its id, or the beginning of it): for, against or abstain."""
    from chain.calls import cast_vote
    from chain.network import checksum
    from chain.refusals import far
    from chain.transacting.session import Intent, carry_out, finish, session

    with session(options) as opened:
        stands = _find(opened.reader, name)
        one, account = stands.proposed, checksum(opened.account)
        votes = None
        if stands.now_s > one.vote_start_s:
            votes = opened.reader.call("FarfieldGovernor", "getVotes", account, one.vote_start_s)
        if votes == 0 and not options.force:
            raise Stop(
                f"{account} had no votes when this vote began. Delegate before the next one begins: "
                "farfield gov delegate. Nothing was sent.",
                FINDINGS,
            )
        words = [f"Proposal {one.short}: {one.words}.", f"{far(votes or 0)} vote {support}."]
        told = {"proposal": f"0x{one.id:064x}", "support": support, "votes": str(votes or 0)}
        intent = Intent([cast_vote(opened.network, one.id, SUPPORT.index(support), reason)], words, told)
        finish(opened, intent, carry_out(opened, intent), "The vote counts. A vote cannot be changed.")


@group.command()
@proposal_argument
@sending
def queue(options: Sending, name: str) -> None:
    """Let PROPOSAL, which passed, wait in the Timelock. Any key may send it."""
    from chain.calls import queue as queue_call

    _take_further(options, name, queue_call, "It waits in the Timelock now. `farfield gov list` says until when.")


@group.command()
@proposal_argument
@sending
def execute(options: Sending, name: str) -> None:
    """Carry out PROPOSAL, which passed and has waited. Any key may send it."""
    from chain.calls import execute as execute_call

    _take_further(options, name, execute_call, "It is carried out.")


def _take_further(options: Sending, name: str, make: Callable[[NetworkFile, Motion], Call], sentence: str) -> None:
    from chain.transacting.session import Intent, carry_out, finish, session

    with session(options) as opened:
        stands = _find(opened.reader, name)
        one = stands.proposed
        call = make(opened.network, one.motion)
        told = {"proposal": f"0x{one.id:064x}", "state": stands.state.name.lower(), "decision": one.words}
        intent = Intent([call], [f"Proposal {one.short}: {one.words}.", stands.next], told)
        finish(opened, intent, carry_out(opened, intent), sentence)


def _find(reader: ChainReader, name: str) -> Standing:
    from chain.governance.proposals import find, proposals, standing

    found = find(proposals(reader), name)
    if not found:
        raise Stop(f"No proposal's id begins with {name}. `farfield gov list` shows those there are.")
    if len(found) > 1:
        raise Stop(f"{len(found)} proposals' ids begin with {name}. Give more of it.")
    return standing(reader, found[0])


# --- list ---------------------------------------------------------------------------------------------------------


@group.command("list")
@click.option("--account", type=ACCOUNT, help="Say too which votes this account has.")
@network_option
@json_option
@ends_with_a_sentence
def list_(account: bytes | None, network: str, as_json: bool) -> None:
    """Show every proposal: what it decides, where it stands, the votes, and what is possible next."""
    from chain.governance.proposals import proposals, standing
    from chain.network import load
    from chain.reader import ChainReader

    reader = ChainReader(load(network))
    try:
        found = [standing(reader, one) for one in proposals(reader)]
        votes = None if account is None else _votes(reader, account)
    finally:
        reader.close()
    if as_json:
        print_json({"proposals": [_tree(one) for one in found], "account": votes})
        return
    for one in found:
        click.echo("\n".join(_lines(one)))
    if not found:
        click.echo("Nothing was proposed yet. See: farfield gov propose --help")
    if votes is not None:
        click.echo(_votes_line(votes))


def _votes(reader: ChainReader, account: bytes) -> dict[str, str]:
    from chain.network import checksum
    from protocol.ids import Address

    who = checksum(Address(account))
    return {
        "account": who,
        "votes": str(reader.call("FarfieldToken", "getVotes", who)),
        "balance": str(reader.call("FarfieldToken", "balanceOf", who)),
        "delegate": reader.call("FarfieldToken", "delegates", who),
    }


def _votes_line(votes: dict[str, str]) -> str:
    from chain.refusals import far

    line = f"{votes['account']} votes with {far(int(votes['votes']))} and holds {far(int(votes['balance']))}"
    if int(votes["delegate"], 16) == 0:
        return f"{line}, which nobody votes with: farfield gov delegate"
    return f"{line}, with which {votes['delegate']} votes."


def _lines(stands: Standing) -> list[str]:
    from chain.refusals import far

    one = stands.proposed
    votes = f"{far(stands.in_favour)} for, {far(stands.against)} against, {far(stands.abstained)} abstain"
    if stands.quorum is not None:
        votes += f"; for and abstain must come to {far(stands.quorum)}"
    return [f"{one.short} {stands.state.name.lower()}: {one.words}", f"  {votes}", f"  {stands.next}"]


def _tree(stands: Standing) -> dict[str, Any]:
    from chain.network import checksum

    one = stands.proposed
    return {
        "proposal": f"0x{one.id:064x}",
        "state": stands.state.name.lower(),
        "proposer": checksum(one.proposer),
        "decisions": list(one.sentences),
        "values_wei": [str(value) for value in one.values_wei],
        "description": one.description,
        "for": str(stands.in_favour),
        "against": str(stands.against),
        "abstain": str(stands.abstained),
        "quorum": None if stands.quorum is None else str(stands.quorum),
        "vote_start_s": one.vote_start_s,
        "vote_end_s": one.vote_end_s,
        "eta_s": stands.eta_s,
        "next": stands.next,
    }
