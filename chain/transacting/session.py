"""One command's transactions: simulated all together, shown with their cost, sent one after the other, waited for."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from chain.calls import Call
from chain.errors import ChainError
from chain.key_files import load_key
from chain.network import NetworkFile, checksum, load
from chain.reader import ChainReader
from chain.sender import Receipt, Sender, Simulated
from chain.terminal import FAILED, print_json
from chain.transacting.options import Sending, Stop
from protocol.ids import Address

POLL_S = 0.25
MINED_WITHIN_S = 600
FINAL_WITHIN_S = 3_600
SAY_AGAIN_AFTER_S = 30
COIN_DECIMALS = 18
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Session:
    """A network, and one key on it."""

    options: Sending
    network: NetworkFile
    reader: ChainReader
    sender: Sender

    @property
    def account(self) -> Address:
        """Whose key sends."""
        return Address(self.sender.address)


@contextmanager
def session(options: Sending) -> Iterator[Session]:
    """The chain and the key of a command. What an earlier command left open is sent again, but not by a dry run."""
    network = load(options.network)
    secret = load_key(options.key).secret
    reader = ChainReader(network)
    try:
        sender = _sender(reader, secret, options.key)
        try:
            if not options.dry_run:
                _recover(sender)
            yield Session(options, network, reader, sender)
        finally:
            sender.close()
    finally:
        reader.close()


def _sender(reader: ChainReader, secret: bytes, key: Path) -> Sender:
    """A sender whose journal stands beside its key, one for each chain."""
    journal = key.with_name(f"{key.name}.{reader.network.genesis_hash.hex()[:8]}.sqlite")
    try:
        return Sender(reader, secret, journal)
    except (OSError, sqlite3.OperationalError) as error:
        raise Stop(
            f"{journal} cannot be written ({error}); what is sent must be on disk first. "
            "Put the key into a directory you can write to."
        ) from error


def _recover(sender: Sender) -> None:
    left = sender.recover()
    if left:
        _say(f"{_count(len(left), 'earlier transaction')} of this key not final yet, the first to {left[0].call.what}.")


# --- what is going to happen --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Intent:
    """What a command is about to do: transactions in order, in words, and as facts for JSON."""

    calls: Sequence[Call]
    words: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Step:
    """One transaction and what became of it."""

    call: Call
    simulated: Simulated
    transaction: bytes | None = None
    receipt: Receipt | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an intent."""

    steps: Sequence[Step]
    gas_price_wei: int

    @property
    def gas(self) -> int:
        """Gas of all steps whose gas is known."""
        return sum(step.simulated.gas or 0 for step in self.steps)

    @property
    def is_final(self) -> bool:
        return all(step.receipt is not None for step in self.steps)


def carry_out(session: Session, intent: Intent) -> Outcome:
    """Simulates, shows and, unless it is a dry run, sends an intent and waits for it.

    Stop if the simulation says that a step fails, unless forced; nothing has been sent then.
    """
    outcome = _preview(session, intent)
    if not session.options.as_json:
        click.echo("\n".join([*intent.words, *_step_lines(outcome)]))
    _refuse_what_fails(session, intent, outcome)
    if not session.options.dry_run:
        try:
            _send(session, outcome.steps)
        except (Stop, ChainError):
            _print_failed(session, intent, outcome)
            raise
    return outcome


def _preview(session: Session, intent: Intent) -> Outcome:
    results = session.sender.preview(intent.calls)
    steps = [Step(call, result) for call, result in zip(intent.calls, results, strict=True)]
    return Outcome(steps, session.sender.gas_price_wei())


def _refuse_what_fails(session: Session, intent: Intent, outcome: Outcome) -> None:
    if session.options.force:
        return
    problem = next((str(one.simulated.refusal) for one in outcome.steps if one.simulated.refusal), None)
    if problem is None:
        problem = _want_of_coin(session, outcome)
    if problem is not None:
        _print_failed(session, intent, outcome)
        raise Stop(f"{problem} Nothing was sent.", FAILED)


def _want_of_coin(session: Session, outcome: Outcome) -> str | None:
    """Why no node would take all the steps: each must be payable in full at its highest fee, whatever it then costs."""
    held = session.sender.coin_wei()
    needed = session.sender.reserve_wei([step.simulated.gas for step in outcome.steps])
    if held >= needed:
        return None
    return (
        f"{checksum(session.account)} holds {coin_text(held)} and this takes about "
        f"{coin_text(outcome.gas * outcome.gas_price_wei)}, but nodes want {coin_text(needed)} to be there in case "
        "fees rise. Send it some, or let another key send this."
    )


def _print_failed(session: Session, intent: Intent, outcome: Outcome) -> None:
    if session.options.as_json:
        print_json({**_tree(session, outcome), **intent.facts})


def finish(
    session: Session, intent: Intent, outcome: Outcome, sentence: str, facts: Mapping[str, Any] | None = None
) -> None:
    """Says how it ended: `sentence` once everything is final. `facts` are what only the end could tell."""
    if session.options.as_json:
        print_json({**_tree(session, outcome), **intent.facts, **(facts or {})})
    elif session.options.dry_run:
        click.echo("Nothing was sent. Without --dry-run it is.")
    elif outcome.is_final:
        click.echo(sentence)
    else:
        click.echo("It is on its way. Once it is final: " + sentence)


# --- sending ------------------------------------------------------------------------------------------------------


def _send(session: Session, steps: Sequence[Step]) -> None:
    """Each step is sent once the one before is in a block, because it may build on it."""
    for place, step in enumerate(steps):
        step.transaction = session.sender.send(step.call, force=session.options.force)
        _say(f"Sent 0x{step.transaction.hex()} to {step.call.what}.")
        if place + 1 < len(steps):
            _follow(session.sender, step, MINED_WITHIN_S, until_final=False)
    if session.options.wait:
        for step in steps:
            _follow(session.sender, step, FINAL_WITHIN_S, until_final=True)


def _follow(sender: Sender, step: Step, within_s: float, *, until_final: bool) -> None:
    """Waits until a step is in a block, or final, and says what it waits for."""
    assert step.transaction is not None, "it was sent"
    deadline, said, say_at = time.monotonic() + within_s, "", 0.0
    try:
        while time.monotonic() < deadline:
            standing = sender.look(step.transaction)
            step.receipt = standing.receipt
            if standing.receipt is not None or (standing.block is not None and not until_final):
                return
            now = "to be mined" if standing.block is None else f"for block {standing.block} to be final"
            if now != said or time.monotonic() >= say_at:
                _say(f"Waiting {now}...")
                said, say_at = now, time.monotonic() + SAY_AGAIN_AFTER_S
            time.sleep(POLL_S)
    except KeyboardInterrupt as error:
        raise Stop(f"Stopped waiting. {_kept(step)}", INTERRUPTED) from error
    raise Stop(f"The transaction to {step.call.what} takes longer than {within_s:g} s. {_kept(step)}")


def _kept(step: Step) -> str:
    assert step.transaction is not None, "it was sent"
    return f"0x{step.transaction.hex()} stays sent; the next command with this key takes care of it again."


# --- showing ------------------------------------------------------------------------------------------------------


def _step_lines(outcome: Outcome) -> Iterator[str]:
    for place, step in enumerate(outcome.steps, 1):
        yield f"{place}. {step.call.what}: {_expectation(step.simulated, outcome.gas_price_wei)}"
    if len(outcome.steps) > 1:
        yield f"Together {outcome.gas:,} gas, about {coin_text(outcome.gas * outcome.gas_price_wei)}."


def _expectation(simulated: Simulated, gas_price_wei: int) -> str:
    if simulated.refusal is not None:
        return "would fail"
    if simulated.gas is None:
        return "simulated before it is sent"
    return f"{simulated.gas:,} gas, about {coin_text(simulated.gas * gas_price_wei)}"


def coin_text(wei: int) -> str:
    """An amount of the chain's own coin, as people read it: six digits that matter."""
    whole, rest = divmod(wei, 10**COIN_DECIMALS)
    decimals = f"{rest:018d}"
    leading = len(decimals) - len(decimals.lstrip("0"))
    shown = decimals[: leading + 6].rstrip("0") if rest else ""
    return f"{whole}.{shown} coin" if shown else f"{whole} coin"


def _tree(session: Session, outcome: Outcome) -> dict[str, Any]:
    return {
        "network": session.network.name,
        "sender": checksum(session.account),
        "dry_run": session.options.dry_run,
        "final": outcome.is_final,
        "gas": outcome.gas,
        "cost_wei": str(outcome.gas * outcome.gas_price_wei),
        "steps": [_step_tree(step) for step in outcome.steps],
    }


def _step_tree(step: Step) -> dict[str, Any]:
    refusal, receipt = step.simulated.refusal, step.receipt
    return {
        "what": step.call.what,
        "contract": step.call.contract,
        "to": checksum(step.call.to),
        "gas": step.simulated.gas,
        "error": None if refusal is None else refusal.name,
        "problem": None if refusal is None else refusal.sentence,
        "transaction": None if step.transaction is None else "0x" + step.transaction.hex(),
        "block": None if receipt is None else receipt.block,
        "gas_used": None if receipt is None else receipt.gas_used,
    }


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
