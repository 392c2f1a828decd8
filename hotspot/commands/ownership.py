"""farfield hotspot locate, shares, transfer, claim, collect: what an owner does. Heavy libraries load when used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from chain.terminal import FINDINGS, json_option, print_json
from chain.transacting.options import Sending, Stop, ends_with_a_sentence, network_option, sending
from chain.transacting.values import ACCOUNT, HOTSPOT_ID
from hotspot.commands.places import ELEVATION_M, cell_of, gain_cdb_of

if TYPE_CHECKING:
    from chain.reader import ChainReader
    from chain.shares import Holding, HotspotFacts
    from chain.transacting.session import Intent, Outcome, Session
    from hotspot.ownership.income import Paid
    from protocol.ids import Address

MAX_IDS = 1_000
SHARES = 10_000
KIND_NAMES = ("fixed", "mapper", "fixed Wi-Fi", "mapper Wi-Fi")
ids_argument = click.argument("hotspot_ids", metavar="[ID]...", nargs=-1, type=HOTSPOT_ID)


@click.command()
@click.argument("hotspot_id", metavar="ID", type=HOTSPOT_ID)
@click.option("--at", metavar="LAT,LON", help="Where it stands now, in degrees. Only an H3 cell of it is published.")
@click.option("--cell", metavar="H3", help="Where it stands now, as an H3 cell of resolution 9 to 12.")
@click.option("--resolution", type=click.IntRange(9, 12), default=10, show_default=True, help="Of the cell of --at.")
@click.option("--gain-dbi", default=None, metavar="DBI", help="Antenna gain, at most two decimals; default: as it is.")
@click.option("--elevation-m", type=ELEVATION_M, default=None, help="Antenna above ground; default: as it is.")
@sending
def locate(options: Sending, hotspot_id: bytes, at: str | None, cell: str | None, **place: Any) -> None:
    """Say where hotspot ID stands now, or change what is known of its antenna. Its operator's key sends it.

    A move burns the network's location fee, and the hotspot begins anew there; gain and height are free. The fee's
    allowance is sent first, if there is none yet.

    \b
    Exit codes: 0 fine, 1 refused or failed, 2 usage, 3 nothing would change, 5 nothing answers, 6 key.
    """
    from chain.transacting.session import Intent, carry_out, finish, session
    from hotspot.ownership import moving

    with session(options) as opened:
        facts = _registered(opened.reader, hotspot_id)
        wanted = _place(facts, at, cell, place)
        fee = opened.reader.call("Hotspots", "locationFee") if wanted[0] != facts.cell else 0
        words = moving.words(facts, wanted, fee)
        if not words:
            raise Stop("That is what the chain says of it already. Nothing was sent.", FINDINGS)
        calls = moving.moving_calls(opened.network, opened.sender, facts, wanted, fee)
        told = {"hotspot_id": hotspot_id.hex(), "cell": f"{wanted[0]:x}", "moved": wanted[0] != facts.cell}
        intent = Intent(calls, words, told | {"fee": str(fee)})
        outcome = carry_out(opened, intent)
        finish(opened, intent, outcome, "The chain says so now. Validators use it from the next epoch on.")


def _place(facts: HotspotFacts, at: str | None, cell: str | None, place: dict[str, Any]) -> tuple[int, int, int]:
    """Cell, gain in 0.01 dBi and height in metres, as they are where nothing else was asked for."""
    index = facts.cell if at is None and cell is None else cell_of(at, cell, place["resolution"])
    gain_cdb = facts.gain_cdb if place["gain_dbi"] is None else gain_cdb_of(place["gain_dbi"])
    return index, gain_cdb, facts.elevation_m if place["elevation_m"] is None else place["elevation_m"]


def _registered(reader: ChainReader, hotspot_id: bytes) -> HotspotFacts:
    from chain.shares import facts_of

    facts = facts_of(reader, hotspot_id)
    if facts is None:
        raise Stop(f"Hotspot 0x{hotspot_id.hex()} is not registered on this network. Check the id and --network.")
    return facts


# --- shares -------------------------------------------------------------------------------------------------------


@click.command()
@ids_argument
@click.option("--owner", type=ACCOUNT, help="Show every hotspot this account has shares of.")
@network_option
@json_option
@ends_with_a_sentence
def shares(hotspot_ids: tuple[bytes, ...], owner: bytes | None, network: str, as_json: bool) -> None:
    """Show who holds hotspots ID..., or with --owner what an account holds, and what there is to collect.

    A hotspot is 10,000 shares. Whoever last held more than half of them runs it.

    Exit codes: 0 fine, 1 failed, 2 usage, 5 nothing answers.
    """
    from chain.network import load
    from chain.reader import ChainReader

    if bool(hotspot_ids) == (owner is not None):
        raise click.UsageError("Name hotspots by their ids, or an account with --owner.")
    reader = ChainReader(load(network))
    try:
        rows = _rows(reader, hotspot_ids, owner)
    finally:
        reader.close()
    if as_json:
        print_json({"hotspots": rows})
    elif not rows:
        click.echo("This account holds no shares of any hotspot.")
    for row in [] if as_json else rows:
        click.echo("\n".join(_row_lines(row)))


def _rows(reader: ChainReader, hotspot_ids: tuple[bytes, ...], owner: bytes | None) -> list[dict[str, Any]]:
    from chain.shares import holders_of, hotspots_of
    from protocol.ids import Address

    block = reader.final_block().number
    if owner is not None:
        return [_row(_registered(reader, one.hotspot_id), [one]) for one in hotspots_of(reader, Address(owner), block)]
    return [_row(_registered(reader, one), holders_of(reader, one, block)) for one in hotspot_ids]


def _row(facts: HotspotFacts, holdings: list[Holding]) -> dict[str, Any]:
    from chain.network import checksum

    return {
        "hotspot_id": facts.hotspot_id.hex(),
        "operator": checksum(facts.operator),
        "cell": f"{facts.cell:x}",
        "kind": KIND_NAMES[facts.kind],
        "gain_cdb": facts.gain_cdb,
        "elevation_m": facts.elevation_m,
        "frozen": facts.frozen,
        "fee_left": str(facts.debt),
        "holders": [
            {"holder": checksum(one.holder), "shares": one.shares, "collectable": str(one.collectable)}
            for one in holdings
        ],
    }


def _row_lines(row: dict[str, Any]) -> list[str]:
    from chain.refusals import far

    state = ", frozen by a vote: it earns nothing" if row["frozen"] else ""
    lines = [
        f"Hotspot {row['hotspot_id']}",
        f"  {row['kind']} in {row['cell']}, run by {row['operator']}{state}",
    ]
    if row["fee_left"] != "0":
        lines.append(f"  {far(int(row['fee_left']))} of its registration fee are burned from what it earns first")
    return lines + [
        f"  {one['holder']} holds {one['shares']:,} of 10,000 shares, {far(int(one['collectable']))} to collect"
        for one in row["holders"]
    ]


@click.command()
@click.argument("hotspot_id", metavar="ID", type=HOTSPOT_ID)
@click.argument("number", metavar="SHARES", type=click.IntRange(1, SHARES))
@click.option("--to", "to", required=True, type=ACCOUNT, help="Who gets them.")
@sending
def transfer(options: Sending, hotspot_id: bytes, number: int, to: bytes) -> None:
    """Hand on SHARES of the 10,000 shares of hotspot ID. The holder's key sends it.

    Income that came in before stays the holder's, what comes in after is the other's. Whoever then holds more than
    half of the shares runs the hotspot.

    Exit codes: 0 fine, 1 refused or failed, 2 usage, 5 nothing answers, 6 key.
    """
    from chain.calls import transfer_shares
    from chain.network import checksum
    from chain.shares import holding
    from chain.transacting.session import Intent, carry_out, finish, session
    from protocol.ids import Address

    with session(options) as opened:
        facts = _registered(opened.reader, hotspot_id)
        sender, receiver = checksum(opened.account), checksum(Address(to))
        moved = number if receiver != sender else 0
        kept = holding(opened.reader, hotspot_id, opened.account).shares - moved
        got = holding(opened.reader, hotspot_id, Address(to)).shares + moved
        runs = receiver if 2 * got > SHARES else checksum(facts.operator)
        words = [
            f"{sender} keeps {kept:,} of 10,000 shares, {receiver} then holds {got:,}.",
            f"{runs} {'goes on running' if runs == checksum(facts.operator) else 'runs'} the hotspot.",
        ]
        words = words if kept >= 0 else []  # what cannot be is left to the contract's refusal
        told = {"hotspot_id": hotspot_id.hex(), "to": receiver, "shares": number, "operator": runs}
        call = transfer_shares(opened.network, opened.account, Address(to), hotspot_id, number)
        intent = Intent([call], words, told)
        finish(opened, intent, carry_out(opened, intent), "The shares are handed on.")


# --- income -------------------------------------------------------------------------------------------------------

owner_option = click.option("--owner", type=ACCOUNT, help="Who is paid; default: the account of --key.")


@click.command()
@ids_argument
@owner_option
@sending
def claim(options: Sending, hotspot_ids: tuple[bytes, ...], owner: bytes | None) -> None:
    """Fetch what hotspots ID... have earned, or all of the owner's, and pay the owner its part.

    Any key may send this and pays only the gas: the money goes to those who hold the shares. Amounts and proofs come
    from what validators serve, checked against the root on chain. A new hotspot's first income pays its registration.

    Exit codes: 0 fine, 1 refused or failed, 2 usage, 3 no root is live, 5 nothing answers, 6 key, 7 what validators
    serve is not what the chain says.
    """
    from chain.network import checksum
    from chain.refusals import far
    from chain.transacting.session import Intent, carry_out, finish, session
    from hotspot.ownership import income
    from protocol.ids import Address, account_id

    with session(options) as opened:
        holder = Address(owner) if owner is not None else opened.account
        mine, ids = _hotspots(opened, holder, hotspot_ids)
        open_ = income.open_claims(opened.reader, set(ids) if hotspot_ids else {*ids, account_id(holder)})
        calls = income.claim_calls(opened.network, [one.claim for one in open_])
        growing = {one.claim.leaf_id for one in open_ if one.amount > one.fee}
        due = [one.hotspot_id for one in mine if one.collectable or (one.shares and one.hotspot_id in growing)]
        calls += income.collect_calls(opened.network, holder, due)
        told = {
            "owner": checksum(holder),
            "claims": [
                {"id": one.claim.leaf_id.hex(), "amount": str(one.amount), "fee": str(one.fee)} for one in open_
            ],
        }
        intent = Intent(calls, [one.line for one in open_], told)
        if not calls:
            _nothing(opened, intent, "Everything the live root grants is claimed and collected already.")
            return
        outcome = carry_out(opened, intent)
        facts: dict[str, str | None] = {"collected": None, "fees_burned": None} if outcome.is_final else {}
        sentence = f"{checksum(holder)} is paid."
        paid = _paid(opened, holder, outcome)
        if paid is not None:
            facts = {"collected": str(paid.collected), "fees_burned": str(paid.fees)}
            sentence = f"{checksum(holder)} was paid {far(paid.collected)} of the income of hotspots."
            if paid.fees:
                sentence += f" {far(paid.fees)} were burned for registrations."
        finish(opened, intent, outcome, sentence, facts)


@click.command()
@ids_argument
@owner_option
@sending
def collect(options: Sending, hotspot_ids: tuple[bytes, ...], owner: bytes | None) -> None:
    """Pay the owner its part of what hotspots ID..., or all of the owner's, have been paid already.

    `claim` does this too; collect alone is enough after somebody else has claimed. Any key may send it.

    Exit codes: 0 fine, 1 refused or failed, 2 usage, 5 nothing answers, 6 key.
    """
    from chain.network import checksum
    from chain.refusals import far
    from chain.transacting.session import Intent, carry_out, finish, session
    from hotspot.ownership import income
    from protocol.ids import Address

    with session(options) as opened:
        holder = Address(owner) if owner is not None else opened.account
        mine, _ = _hotspots(opened, holder, hotspot_ids)
        due = [one for one in mine if one.collectable]
        calls = income.collect_calls(opened.network, holder, [one.hotspot_id for one in due])
        words = [f"Hotspot 0x{one.hotspot_id.hex()}: {far(one.collectable)} to collect." for one in due]
        intent = Intent(calls, words, {"owner": checksum(holder)})
        if not calls:
            _nothing(opened, intent, "There is nothing to collect. `farfield hotspot claim` fetches new income.")
            return
        outcome = carry_out(opened, intent)
        paid = _paid(opened, holder, outcome)
        facts = {"collected": str(paid.collected) if paid else None} if outcome.is_final else {}
        sentence = f"was paid {far(paid.collected)}." if paid else "is paid."
        finish(opened, intent, outcome, f"{checksum(holder)} {sentence}", facts)


def _paid(opened: Session, holder: Address, outcome: Outcome) -> Paid | None:
    """What it came to, once it is final. None, with a word on stderr, if that cannot be read: it is paid anyway."""
    from chain.errors import ChainUnavailable
    from hotspot.ownership import income

    if not outcome.is_final:
        return None
    try:
        return income.paid(opened.reader, holder, [one.receipt for one in outcome.steps if one.receipt])
    except ChainUnavailable as error:
        click.echo(f"It is final, but how much was paid cannot be read now: {error}", err=True)
        return None


def _hotspots(opened: Session, holder: Any, hotspot_ids: tuple[bytes, ...]) -> tuple[list[Holding], list[bytes]]:
    """What the holder has of the hotspots named, or of all it has; and their ids."""
    from chain.shares import holding, hotspots_of

    if len(hotspot_ids) > MAX_IDS:
        raise click.UsageError(f"At most {MAX_IDS} ids at once.")
    if hotspot_ids:
        ids = list(dict.fromkeys(hotspot_ids))
        for one in ids:
            _registered(opened.reader, one)
        return [holding(opened.reader, one, holder) for one in ids], ids
    mine = hotspots_of(opened.reader, holder, opened.reader.head())
    return mine, [one.hotspot_id for one in mine]


def _nothing(opened: Session, intent: Intent, sentence: str) -> None:
    if opened.options.as_json:
        print_json({"network": opened.network.name, "steps": [], **intent.facts})
    else:
        click.echo(sentence)
