"""farfield validator stake, unstake, set-key, suspend: a validator's stake and key. Heavy libraries load when used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from chain.terminal import FINDINGS, print_json
from chain.transacting.options import Sending, Stop, sending
from chain.transacting.values import ACCOUNT, AMOUNT

if TYPE_CHECKING:
    from chain.transacting.session import Session
    from validator.staking.membership import Membership

signing_key_option = click.option(
    "--signing-key",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The key it signs with, as `farfield validator keys new` makes one. It is only read.",
)


@click.command()
@click.argument("amount", metavar="FAR", type=AMOUNT)
@signing_key_option
@sending
def stake(options: Sending, amount: int, signing_key: Path) -> None:
    """Stake FAR whole tokens and become a validator from the next epoch on. The owner's key sends it.

    Holders have to have voted the owner in. The tokens stay in the owner's account, locked. Who comes back while an
    earlier stake is still locked stakes at least that much, and only the difference is locked anew.

    Exit codes: 0 fine, 1 refused or failed, 2 usage, 5 nothing answers, 6 key.
    """
    from chain.calls import join
    from chain.network import checksum
    from chain.refusals import far
    from chain.transacting.session import Intent, carry_out, finish, session
    from validator.staking.membership import membership, next_epoch

    key = _address_of(signing_key)
    with session(options) as opened:
        now, begins = membership(opened.reader, opened.account), next_epoch(opened.reader)
        anew = max(amount - now.stake, 0)
        words = [
            f"{checksum(opened.account)} signs with {checksum(key)} {begins.words}.",
            f"{far(anew)} are locked" + (f", beside the {far(now.stake)} that still are." if now.stake else "."),
            f"Whoever proves that the key signed two different things burns the whole stake; it stays locked for "
            f"{opened.reader.config().unbonding_epochs} epochs after the last as a validator.",
        ]
        told = {"owner": checksum(opened.account), "key": checksum(key), "stake": str(amount)}
        intent = Intent([join(opened.network, key, amount)], words, told | {"effective_epoch": begins.number})
        outcome = carry_out(opened, intent)
        finish(
            opened,
            intent,
            outcome,
            f"Run it: farfield validator run --key-file {click.format_filename(signing_key)} --directory DIR",
        )


@click.command()
@sending
def unstake(options: Sending) -> None:
    """Leave the validators; run again after the unbonding time, and it unlocks the stake. The owner's key sends it.

    Exit codes: 0 fine, 1 refused or failed, 2 usage, 3 nothing staked or still locked, 5 nothing answers, 6 key.
    """
    from chain.calls import leave, unlock_stake
    from chain.network import checksum
    from chain.transacting.session import Intent, carry_out, finish, session
    from validator.staking.membership import membership, next_epoch

    with session(options) as opened:
        now = membership(opened.reader, opened.account)
        told = {"owner": checksum(now.owner), "stake": str(now.stake), "state": now.state}
        if now.state in ("none", "unbonding") and not options.force:
            if options.as_json:
                print_json({**told, "unlocks_at_s": now.unlocks_at_s})
            raise Stop(now.line, FINDINGS)
        leaving = now.state in ("none", "staked")
        begins = next_epoch(opened.reader)
        words = [f"{checksum(now.owner)} is no validator {begins.words}. Let it run until then."]
        calls = [leave(opened.network) if leaving else unlock_stake(opened.network)]
        intent = Intent(calls, words if leaving else [now.line], told)
        outcome = carry_out(opened, intent)
        after = _membership_after(opened)
        facts = {"state": after.state if after else None, "unlocks_at_s": after.unlocks_at_s if after else None}
        left = (
            after.line if after else "It leaves. Run `farfield validator unstake` again to see when the stake unlocks."
        )
        finish(opened, intent, outcome, left if leaving else "The stake is free.", facts)


def _membership_after(opened: Session) -> Membership | None:
    """How it stands after it was sent. None, with a word on stderr, if that cannot be read: it is sent all the same."""
    from chain.errors import ChainUnavailable
    from validator.staking.membership import membership

    try:
        return membership(opened.reader, opened.account)
    except ChainUnavailable as error:
        click.echo(f"How the stake stands now cannot be read: {error}", err=True)
        return None


@click.command("set-key")
@signing_key_option
@sending
def set_key(options: Sending, signing_key: Path) -> None:
    """Sign with another key from the next epoch on. The owner's key sends it.

    A key serves once: neither the old one nor any other that was used before can be taken again.

    Exit codes: 0 fine, 1 refused or failed, 2 usage, 5 nothing answers, 6 key.
    """
    from chain.calls import set_key as set_key_call
    from chain.network import checksum
    from chain.transacting.session import Intent, carry_out, finish, session
    from validator.staking.membership import membership, next_epoch

    key = _address_of(signing_key)
    with session(options) as opened:
        now, begins = membership(opened.reader, opened.account), next_epoch(opened.reader)
        old = checksum(now.key) if now.key else "no key"
        words = [f"{checksum(opened.account)} signs with {checksum(key)} {begins.words}; until then with {old}."]
        told = {"owner": checksum(opened.account), "key": checksum(key), "effective_epoch": begins.number}
        intent = Intent([set_key_call(opened.network, key)], words, told)
        outcome = carry_out(opened, intent)
        finish(
            opened,
            intent,
            outcome,
            f"Restart the validator with --key-file {click.format_filename(signing_key)} when that epoch begins.",
        )


@click.command()
@click.argument("owner", type=ACCOUNT)
@sending
def suspend(options: Sending, owner: bytes) -> None:
    """Put out validator OWNER (its account) that posted nothing for seven epochs while others did. Any key may.

    Its stake is not touched and it may join again at once; without it, the others' signatures are enough again.

    Exit codes: 0 fine, 1 refused or failed, 2 usage, 5 nothing answers, 6 key.
    """
    from chain.calls import suspend as suspend_call
    from chain.network import checksum
    from chain.transacting.session import Intent, carry_out, finish, session
    from protocol.ids import Address
    from validator.staking.membership import next_epoch

    with session(options) as opened:
        begins = next_epoch(opened.reader)
        words = [f"{checksum(Address(owner))} is no validator {begins.words}, if it stayed silent for seven epochs."]
        told = {"owner": checksum(Address(owner)), "effective_epoch": begins.number}
        intent = Intent([suspend_call(opened.network, Address(owner))], words, told)
        finish(opened, intent, carry_out(opened, intent), "It is suspended.")


def _address_of(signing_key: Path) -> bytes:
    """The account of a signing key; that the file can be read shows that its holder has the key."""
    from chain.key_files import load_key
    from protocol.keys import quorum_address

    return quorum_address(load_key(signing_key))
