"""farfield validator veto and pause: sign into a file, join files, send what more than a third of the stake signed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chain.terminal import FINDINGS, json_option, print_json
from chain.transacting.options import Sending, Stop, ends_with_a_sentence, network_option, sending
from validator.staking.command import signing_key_option

if TYPE_CHECKING:
    from chain.network import NetworkFile
    from chain.reader import ChainReader
    from validator.staking.petition import Petition

file_type = click.Path(path_type=Path, dir_okay=False)
files_argument = click.argument("files", nargs=-1, required=True, type=file_type)
out_option = click.option("--out", type=file_type, metavar="FILE", help="The file to write; it must not exist.")


@click.group()
def veto() -> None:
    """Drop a root that waits and is wrong: validators with more than a third of the stake sign for it.

    Exit codes: 0 fine, 1 refused or failed, 2 usage, 3 no such root waits or too few signed, 5 nothing answers, 6 key.
    """


@click.group()
def pause() -> None:
    """Stop roots and claims for seven days: validators with more than a third of the stake sign for it.

    It ends by itself, and for thirty days after its end there is no other.

    Exit codes: 0 fine, 1 refused or failed, 2 usage, 3 too few signed, 5 nothing answers, 6 key.
    """


@veto.command("sign")
@click.argument("epoch", type=click.IntRange(min=1))
@signing_key_option
@out_option
@network_option
@json_option
@ends_with_a_sentence
def veto_sign(epoch: int, signing_key: Path, out: Path | None, network: str, as_json: bool) -> None:
    """Sign against the waiting root of EPOCH. Nothing is sent: give the file to whoever joins and sends them."""
    from protocol.keys import Veto

    def message(reader: ChainReader, set_id: int) -> Veto:
        root, _, waiting, _ = reader.call("Epochs", "pending")
        if waiting != epoch:
            other = f"that of epoch {waiting} does" if waiting else "no root does"
            raise Stop(
                f"The root of epoch {epoch} does not wait; {other}. Only a waiting root can be dropped.", FINDINGS
            )
        return Veto(epoch, set_id, bytes(root))

    _sign(message, signing_key, out or Path(f"veto-{epoch}.json"), network, as_json=as_json)


@pause.command("sign")
@signing_key_option
@out_option
@network_option
@json_option
@ends_with_a_sentence
def pause_sign(signing_key: Path, out: Path | None, network: str, as_json: bool) -> None:
    """Sign for the next pause. Nothing is sent: give the file to whoever joins and sends them."""
    from protocol.keys import Pause

    def message(reader: ChainReader, set_id: int) -> Pause:
        return Pause(set_id, reader.call("Epochs", "pauses") + 1)

    _sign(message, signing_key, out or Path("pause.json"), network, as_json=as_json)


def _sign(message: Any, signing_key: Path, out: Path, source: str, *, as_json: bool) -> None:
    from chain.key_files import load_key
    from chain.network import checksum, load
    from chain.reader import ChainReader
    from protocol.keys import quorum_address, sign_quorum
    from validator.staking.membership import stake_of_key
    from validator.staking.petition import Petition, dump

    network, key = load(source), load_key(signing_key)
    reader = ChainReader(network)
    try:
        address = quorum_address(key)
        if stake_of_key(reader, address) == 0:
            raise Stop(f"{checksum(address)} signs for no validator now. Use the key that is in force.")
        petition = Petition(message(reader, reader.call("Epochs", "setId")))
        petition = petition.signed(sign_quorum(key, petition.digest(network)))
        _write(out, dump(petition, network))
        _show(reader, network, petition, as_json=as_json, out=out)
    finally:
        reader.close()


def _combine(what: str, files: Sequence[Path], out: Path, source: str, *, as_json: bool) -> None:
    from chain.network import load
    from chain.reader import ChainReader
    from validator.staking.petition import dump

    network = load(source)
    petition = _read(what, files, network)
    reader = ChainReader(network)
    try:
        _write(out, dump(petition, network))
        _show(reader, network, petition, as_json=as_json, out=out)
    finally:
        reader.close()


def _submit(what: str, options: Sending, files: Sequence[Path]) -> None:
    from chain import calls
    from chain.calls import pack_signatures
    from chain.transacting.session import Intent, carry_out, finish, session
    from protocol.keys import Veto

    with session(options) as opened:
        petition = _read(what, files, opened.network)
        stakes, total = _weigh(opened.reader, opened.network, petition)
        _refuse_too_few(opened.reader, petition, sum(stakes.values()), total, force=options.force)
        counted = [petition.signers(opened.network)[key] for key in stakes]
        packed = pack_signatures(petition.digest(opened.network), counted)
        one = petition.message
        call = (
            calls.veto(opened.network, one.epoch, one.root, packed)
            if isinstance(one, Veto)
            else calls.pause(opened.network, packed)
        )
        told = {"what": petition.what, "signed": str(sum(stakes.values())), "total": str(total)}
        intent = Intent([call], [petition.words], told)
        finish(opened, intent, carry_out(opened, intent), "It is done.")


def _refuse_too_few(reader: ChainReader, petition: Petition, signed: int, total: int, *, force: bool) -> None:
    from chain.refusals import far

    set_id = reader.call("Epochs", "setId")
    if force:
        return
    if petition.message.set_id != set_id:
        raise Stop(
            f"Set {petition.message.set_id} signed this, but set {set_id} is in force. Sign again, all of you.",
            FINDINGS,
        )
    if 3 * signed <= total:
        raise Stop(
            f"{far(signed)} of {far(total)} signed, not more than a third. Collect more signatures; nothing was sent.",
            FINDINGS,
        )


def _read(what: str, files: Sequence[Path], network: NetworkFile) -> Petition:
    from validator.staking.petition import PetitionError, joined, read

    try:
        petition = joined([read(one, network) for one in files])
    except PetitionError as error:
        raise Stop(str(error)) from error
    if petition.what != what:
        raise Stop(f"{files[0]} asks for a {petition.what}: use `farfield validator {petition.what}`.")
    return petition


def _weigh(reader: ChainReader, network: NetworkFile, petition: Petition) -> tuple[dict[bytes, int], int]:
    """Stake by signing key of those that count now, and the whole set's."""
    from validator.staking.membership import stake_of_key

    stakes = {key: stake_of_key(reader, key) for key in petition.signers(network)}
    return {key: stake for key, stake in stakes.items() if stake}, reader.call("Epochs", "totalStake")


def _show(reader: ChainReader, network: NetworkFile, petition: Petition, *, as_json: bool, out: Path) -> None:
    from chain.network import checksum
    from chain.refusals import far

    stakes, total = _weigh(reader, network, petition)
    signed = sum(stakes.values())
    enough = 3 * signed > total
    if as_json:
        shape = {"what": petition.what, "file": str(out), "set_id": petition.message.set_id, "enough": enough}
        signers = [checksum(key) for key in sorted(stakes)]
        print_json(shape | {"signers": signers, "signed": str(signed), "total": str(total)})
        return
    name = click.format_filename(out)
    click.echo(f"If it is sent: {petition.words}")
    click.echo(f"{name} holds signatures of {far(signed)} of {far(total)}, by set {petition.message.set_id}.")
    follow = f"submit {name} --key FILE" if enough else f"combine {name} OTHER... --out FILE"
    click.echo(
        f"{'That is enough' if enough else 'More than a third is needed'}: farfield validator {petition.what} {follow}"
    )


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="ascii") as file:
            file.write(text)
    except FileExistsError as error:
        raise Stop(f"{path} exists already. Name another file with --out.") from error
    except OSError as error:
        raise Stop(f"{path} cannot be written: {error.strerror}. Name another file with --out.") from error


def _with_files(group: click.Group, what: str) -> None:
    """Gives a group the two commands that take files."""

    @group.command("combine")
    @files_argument
    @click.option("--out", required=True, type=file_type, metavar="FILE", help="The file to write; it must not exist.")
    @network_option
    @json_option
    @ends_with_a_sentence
    def combine(files: tuple[Path, ...], out: Path, network: str, as_json: bool) -> None:
        """Join the signatures in FILES into one file, and say how much of the stake they are."""
        _combine(what, files, out, network, as_json=as_json)

    @group.command("submit")
    @files_argument
    @sending
    def submit(options: Sending, files: tuple[Path, ...]) -> None:
        """Send the signatures in FILES, if they are of more than a third of the stake. Any key may send them."""
        _submit(what, options, files)


_with_files(veto, "veto")
_with_files(pause, "pause")
