"""A key in a PKCS#11 token (a smart card, a TPM, SoftHSM): it is made there, signs there, and cannot be taken out.

The directory's file names the key by its URI (RFC 7512) and says whose key it should be. `python-pkcs11` is loaded only
here, and only when a token is used.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from hotspot.keys import passphrase
from hotspot.keys.device import DeviceKey, KeyProblemError
from protocol.keys import P256_ORDER, PublicKey, parse_public_key

FORMAT, VERSION = "farfield device key in a token", 1
SCHEME = "pkcs11:"
KNOWN = ("token", "serial", "object", "id", "module-path", "pin-source")
UNCOMPRESSED_BYTES = 65
INSTALL = "Run `pip install python-pkcs11` and try again."


@dataclass(frozen=True, slots=True)
class TokenName:
    """Which key of which token, and which library reaches it."""

    uri: str
    module: str
    token: str | None
    serial: str | None
    label: str | None
    object_id: bytes | None
    pin_source: Path | None
    hotspot_id: str = ""
    public_key: str = ""
    """Whose key it should be; empty before it is known."""


# --- names ----------------------------------------------------------------------------------------------------------


def parse(uri: str) -> TokenName:
    """A PKCS#11 URI; KeyProblemError names the part that is missing or must not be there."""
    if not uri.startswith(SCHEME):
        raise KeyProblemError(f"{uri!r} is not a PKCS#11 URI: pkcs11:token=NAME;object=LABEL?module-path=FILE.")
    path, _, query = uri.removeprefix(SCHEME).partition("?")
    parts: dict[str, str] = {}
    for attribute in [*path.split(";"), *query.split("&")]:
        name, equals, value = attribute.partition("=")
        if name == "pin-value":
            raise KeyProblemError("A PIN does not belong into a URI; name a file that holds it with pin-source.")
        if attribute and (name not in KNOWN or not equals):
            raise KeyProblemError(f"`{name}` means nothing here; a PKCS#11 URI of ours has {', '.join(KNOWN)}.")
        if attribute:
            parts[name] = value
    if "module-path" not in parts or not {"token", "serial"} & parts.keys() or not {"object", "id"} & parts.keys():
        raise KeyProblemError("A PKCS#11 URI of ours needs token or serial, object or id, and ?module-path=.")
    text = {name: urllib.parse.unquote(value) for name, value in parts.items() if name != "id"}
    source = text.get("pin-source")
    return TokenName(
        uri=uri,
        module=text["module-path"],
        token=text.get("token"),
        serial=text.get("serial"),
        label=text.get("object"),
        object_id=urllib.parse.unquote_to_bytes(parts["id"]) if "id" in parts else None,
        pin_source=None if source is None else Path(source.removeprefix("file:")),
    )


def encode(name: TokenName, key: DeviceKey) -> bytes:
    """The file that names a token's key."""
    tree = {
        "format": FORMAT,
        "version": VERSION,
        "uri": name.uri,
        "hotspot_id": key.hotspot_id.hex(),
        "public_key": key.public_hex,
    }
    return json.dumps(tree, indent=2).encode() + b"\n"


def decode(data: bytes, name: object) -> TokenName:
    """What such a file names; KeyProblemError, with the file called `name`."""
    try:
        tree = json.loads(data)
        if tree["format"] != FORMAT or tree["version"] != VERSION:
            raise KeyProblemError(f"{name} was written by another release. Update Farfield.")
        parsed = parse(str(tree["uri"]))
        id_, public = bytes.fromhex(tree["hotspot_id"]).hex(), bytes.fromhex(tree["public_key"]).hex()
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise KeyProblemError(f"{name} names no token's key; make it again with `keys attach`.") from error
    return TokenName(
        parsed.uri, parsed.module, parsed.token, parsed.serial, parsed.label, parsed.object_id, parsed.pin_source,
        id_, public,
    )  # fmt: skip


def pin_of(name: TokenName, file: Path | None = None, ask: passphrase.Ask | None = None) -> str:
    """The PIN: of `file`, the URI's pin-source, the environment or the terminal; KeyProblemError."""
    return passphrase.find(f"the token {name.token or name.serial}", file or name.pin_source, ask)


# --- keys -----------------------------------------------------------------------------------------------------------


class TokenSigner:
    """Signs in the token; opens its session again once when the token was away."""

    def __init__(self, name: TokenName, pin: str) -> None:
        self._name = name
        self.__pin = pin
        self._session: Any = None
        self._open()

    @property
    def public(self) -> PublicKey:
        return self._public

    def sign(self, message: bytes) -> bytes:
        """64 bytes r || s, low s. KeyProblemError if the token cannot."""
        digest = sha256(message).digest()
        try:
            return self._signed(digest)
        except KeyProblemError:
            self._open()
            return self._signed(digest)

    def _open(self) -> None:
        with _problems(self._name):
            self._session = _session(self._name, self.__pin, write=False)
            self._private = _find(self._session, self._name, private=True)
            self._public = _public(_find(self._session, self._name, private=False))

    def _signed(self, digest: bytes) -> bytes:
        import pkcs11

        with _problems(self._name):
            signature = bytes(self._private.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))
        r, s = signature[:32], int.from_bytes(signature[32:], "big")
        return r + min(s, P256_ORDER - s).to_bytes(32, "big")


def open_key(name: TokenName, file: Path | None = None, ask: passphrase.Ask | None = None) -> DeviceKey:
    """The key a directory's file names; KeyProblemError when the token is away, locked or holds another key."""
    return open_with(name, pin_of(name, file, ask))


def open_with(name: TokenName, pin: str) -> DeviceKey:
    """The same with a PIN at hand."""
    key = DeviceKey(TokenSigner(name, pin))
    if name.hotspot_id and (key.hotspot_id.hex(), key.public_hex) != (name.hotspot_id, name.public_key):
        raise KeyProblemError(f"The token's key is not the one this hotspot was registered with. {_hint(name)}")
    return key


def generate(name: TokenName, pin: str) -> DeviceKey:
    """Makes a key in the token; KeyProblemError if one of that name is there."""
    with _problems(name):
        session = _session(name, pin, write=True)
        _refuse_taken(session, name)
        parameters = _curve(session)
        parameters.generate_keypair(
            store=True, label=name.label, id=name.object_id or b"farfield", private_template=_guarded()
        )
        session.close()
    return open_with(name, pin)


def take_in(name: TokenName, pin: str, scalar: bytes) -> DeviceKey:
    """Puts a private number into the token, never to come out again; KeyProblemError."""
    from cryptography.hazmat.primitives.asymmetric import ec

    with _problems(name):
        import pkcs11
        from pkcs11.util.ec import encode_named_curve_parameters

        private = ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1()).public_key().public_numbers()
        point = b"\x04" + private.x.to_bytes(32, "big") + private.y.to_bytes(32, "big")
        session = _session(name, pin, write=True)
        _refuse_taken(session, name)
        common = {
            pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.EC,
            pkcs11.Attribute.TOKEN: True,
            pkcs11.Attribute.LABEL: name.label or "farfield",
            pkcs11.Attribute.ID: name.object_id or b"farfield",
            pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1"),
        }
        session.create_object(
            common | _guarded() | {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.Attribute.SIGN: True,
                                   pkcs11.Attribute.VALUE: scalar}
        )  # fmt: skip
        session.create_object(
            common | {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PUBLIC_KEY, pkcs11.Attribute.VERIFY: True,
                      pkcs11.Attribute.EC_POINT: b"\x04" + bytes([UNCOMPRESSED_BYTES]) + point}
        )  # fmt: skip
        session.close()
    return open_with(name, pin)


# --- the library ----------------------------------------------------------------------------------------------------


def _session(name: TokenName, pin: str, *, write: bool) -> Any:
    import pkcs11

    wanted: dict[str, Any] = {}
    if name.token is not None:
        wanted["token_label"] = name.token
    if name.serial is not None:
        wanted["token_serial"] = name.serial.encode()
    token = pkcs11.lib(name.module).get_token(**wanted)
    try:
        return token.open(rw=write, user_pin=pin)
    except pkcs11.UserAlreadyLoggedIn:  # another hotspot of this process uses the token; a login counts for all
        return token.open(rw=write)


def _find(session: Any, name: TokenName, *, private: bool) -> Any:
    import pkcs11

    kind = pkcs11.ObjectClass.PRIVATE_KEY if private else pkcs11.ObjectClass.PUBLIC_KEY
    return session.get_key(object_class=kind, key_type=pkcs11.KeyType.EC, label=name.label, id=name.object_id)


def _refuse_taken(session: Any, name: TokenName) -> None:
    import pkcs11

    try:
        _find(session, name, private=True)
    except pkcs11.NoSuchKey:
        return
    raise KeyProblemError(f"The token holds {name.label or 'that key'} already; use it with `keys attach`.")


def _curve(session: Any) -> Any:
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    encoded = encode_named_curve_parameters("secp256r1")
    return session.create_domain_parameters(pkcs11.KeyType.EC, {pkcs11.Attribute.EC_PARAMS: encoded}, local=True)


def _guarded() -> dict[Any, bool]:
    import pkcs11

    return {pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False, pkcs11.Attribute.PRIVATE: True}


def _public(key: Any) -> PublicKey:
    import pkcs11

    encoded = bytes(key[pkcs11.Attribute.EC_POINT])
    found = parse_public_key(encoded[-UNCOMPRESSED_BYTES:])
    if found is None:
        raise KeyProblemError("The token's key is not a P-256 key; make one with `keys create --pkcs11`.")
    return found


def _hint(name: TokenName) -> str:
    return f"Look at {name.uri}."


@contextmanager
def _problems(name: TokenName) -> Iterator[None]:
    """A library's exceptions as sentences."""
    try:
        import pkcs11
        from pkcs11 import exceptions
    except ImportError as error:
        raise KeyProblemError(f"This key is in a PKCS#11 token. {INSTALL}") from error
    try:
        yield
    except (exceptions.PinIncorrect, exceptions.PinInvalid, exceptions.PinLenRange) as error:
        raise KeyProblemError("The token refuses that PIN; a few more wrong ones lock it.") from error
    except exceptions.PinLocked as error:
        raise KeyProblemError("The token is locked after too many wrong PINs; unlock it with its own tool.") from error
    except exceptions.NoSuchToken as error:
        raise KeyProblemError(f"There is no token {name.token or name.serial}. Plug it in. {_hint(name)}") from error
    except exceptions.NoSuchKey as error:
        raise KeyProblemError(f"The token holds no such P-256 key. {_hint(name)}") from error
    except (exceptions.MultipleObjectsReturned, exceptions.MultipleTokensReturned) as error:
        raise KeyProblemError(f"More than one fits; name it by serial or id. {_hint(name)}") from error
    except pkcs11.PKCS11Error as error:
        raise KeyProblemError(f"The token failed ({type(error).__name__}: {error}). {_hint(name)}") from error
    except (OSError, RuntimeError) as error:
        raise KeyProblemError(
            f"Cannot load {name.module} ({error}). Name the token's library in module-path."
        ) from error
