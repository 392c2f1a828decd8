"""farfield hotspot keys: make, show, encrypt, save and bring back the device key. Nothing private is ever printed."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chain.terminal import KEY_PROBLEM, end, json_option, print_json
from hotspot.commands.shared import directory_option

if TYPE_CHECKING:
    from hotspot.keys import DeviceKey
    from hotspot.keys.token import TokenName

secret_file = click.Path(path_type=Path, dir_okay=False)
passphrase_option = click.option(
    "--passphrase-file", type=secret_file, metavar="FILE", help="What opens the key: passphrase or PIN, on one line."
)
new_passphrase_option = click.option(
    "--new-passphrase-file", type=secret_file, metavar="FILE", help="The passphrase to set; asked for otherwise."
)
token_option = click.option(
    "--pkcs11", "token_uri", metavar="URI", help="pkcs11:token=NAME;object=LABEL?module-path=FILE&pin-source=FILE"
)
plain_option = click.option("--plain", is_flag=True, help="Do not encrypt: whoever reads the disk has the key.")


@click.group()
def keys() -> None:
    """The device key.

    A service reads the passphrase from the file FARFIELD_PASSPHRASE_FILE names, or from the systemd credential
    `device-passphrase`. Exit code 6: the key cannot be used.
    """


def ends_with_a_sentence(command: Callable[..., None]) -> Callable[..., None]:
    """Turns a key's problem into a sentence and exit code 6."""

    @wraps(command)
    def run(**options: Any) -> None:
        from hotspot.keys import KeyProblemError

        try:
            command(**options)
        except KeyProblemError as error:
            end(str(error), KEY_PROBLEM)

    return run


@keys.command("show")
@directory_option
@json_option
@ends_with_a_sentence
def keys_show(directory: Path, as_json: bool) -> None:
    """Print the hotspot's id and public key, and where the private part is; asks for no passphrase."""
    _print_key(directory, as_json=as_json)


@keys.command("create")
@directory_option
@plain_option
@token_option
@passphrase_option
@new_passphrase_option
@json_option
@ends_with_a_sentence
def keys_create(
    directory: Path,
    plain: bool,
    token_uri: str | None,
    passphrase_file: Path | None,
    new_passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Make a key: in an encrypted file, with --plain in a plain one, with --pkcs11 inside a token."""
    from hotspot.keys import passphrase, place

    _one_of(plain, token_uri)
    _prepare(directory)
    place.refuse_second(directory)
    if plain:
        place.create(directory)
    elif token_uri is not None:
        name, pin = _token(token_uri, passphrase_file)
        place.create_in_token(directory, name, pin)
    else:
        place.create_sealed(directory, passphrase.new(new_passphrase_file))
    _print_key(directory, as_json=as_json)


@keys.command("attach")
@directory_option
@click.argument("uri")
@passphrase_option
@json_option
@ends_with_a_sentence
def keys_attach(directory: Path, uri: str, passphrase_file: Path | None, as_json: bool) -> None:
    """Use a key that a PKCS#11 token holds already."""
    from hotspot.keys import place

    _prepare(directory)
    name, pin = _token(uri, passphrase_file)
    place.attach_token(directory, name, pin)
    _print_key(directory, as_json=as_json)


@keys.command("encrypt")
@directory_option
@passphrase_option
@new_passphrase_option
@json_option
@ends_with_a_sentence
def keys_encrypt(
    directory: Path, passphrase_file: Path | None, new_passphrase_file: Path | None, as_json: bool
) -> None:
    """Encrypt the key's file, or give it another passphrase. The plain file is removed; old backups stay."""
    from hotspot.keys import passphrase, place

    key = place.plain_left_over(directory) or place.load(directory, passphrase_file)
    place.encrypt(directory, key, passphrase.new(new_passphrase_file))
    _print_key(directory, as_json=as_json)


@keys.command("backup")
@directory_option
@click.option("--out", type=secret_file, required=True, metavar="FILE", help="The encrypted copy to make.")
@passphrase_option
@new_passphrase_option
@json_option
@ends_with_a_sentence
def keys_backup(
    directory: Path, out: Path, passphrase_file: Path | None, new_passphrase_file: Path | None, as_json: bool
) -> None:
    """Write an encrypted copy of the key and open it once, to be sure. Keep it away from this machine."""
    from hotspot.keys import passphrase, place

    key = place.load(directory, passphrase_file)
    place.back_up(key, out, passphrase.new(new_passphrase_file))
    if as_json:
        print_json({"hotspot_id": key.hotspot_id.hex(), "backup": str(out)})
    else:
        click.echo(f"{out} holds hotspot {key.hotspot_id.hex()}, opened with its passphrase once.")
        click.echo("Keep it away from this machine, and the passphrase away from it.")


@keys.command("restore")
@click.argument("backup", type=secret_file)
@directory_option
@plain_option
@token_option
@passphrase_option
@click.option("--pin-file", type=secret_file, metavar="FILE", help="The token's PIN, for --pkcs11.")
@new_passphrase_option
@json_option
@ends_with_a_sentence
def keys_restore(
    backup: Path, directory: Path, plain: bool, token_uri: str | None, as_json: bool, **files: Any
) -> None:
    """Bring a key back from BACKUP, into an encrypted file, a plain one or a token. Never replaces another key."""
    from hotspot.keys import place

    _one_of(plain, token_uri)
    _prepare(directory)
    key = place.from_backup(backup, files["passphrase_file"])
    if place.exists(directory) and place.is_same(directory, key):
        click.echo(f"{directory} holds this key already.", err=True)
    else:
        _bring_back(directory, key, plain=plain, token_uri=token_uri, **files)
    _print_key(directory, as_json=as_json)


def _bring_back(
    directory: Path,
    key: DeviceKey,
    *,
    plain: bool,
    token_uri: str | None,
    passphrase_file: Path | None,
    pin_file: Path | None,
    new_passphrase_file: Path | None,
) -> None:
    from hotspot.keys import passphrase, place

    place.refuse_second(directory)
    if plain:
        place.keep_plain(directory, key)
    elif token_uri is not None:
        place.put_into_token(directory, *_token(token_uri, pin_file), key)
    else:
        same = new_passphrase_file or passphrase_file
        place.keep_sealed(directory, key, passphrase.new(same))


def _token(uri: str, pin_file: Path | None) -> tuple[TokenName, str]:
    from hotspot.keys import token

    name = token.parse(uri)
    return name, token.pin_of(name, pin_file)


def _one_of(plain: bool, token_uri: str | None) -> None:
    if plain and token_uri is not None:
        raise click.UsageError("Choose --plain or --pkcs11; a key is in one place.")


def _prepare(directory: Path) -> None:
    """Makes the hotspot's directory where it is missing, for its owner alone."""
    from hotspot.keys import KeyProblemError

    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise KeyProblemError(f"Cannot make {directory}: {error.strerror}. Choose another --directory.") from error


def _print_key(directory: Path, *, as_json: bool) -> None:
    from hotspot.keys import place

    shown = place.show(directory)
    shape = {
        "hotspot_id": shown.hotspot_id,
        "public_key": shown.public_key,
        "kept_in": shown.kind,
        "file": str(shown.path),
    }
    if as_json:
        print_json(shape)
        return
    for name, value in shape.items():
        click.echo(f"{name:<12}{value}")
