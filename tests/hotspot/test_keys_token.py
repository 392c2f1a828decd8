"""Keys in a PKCS#11 token: SoftHSM signs what the protocol verifies, and gives nothing away."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hotspot import keys
from hotspot.keys import place, token
from hotspot.keys.device import new_software_key
from protocol.encoding import Network, signed_bytes
from protocol.ids import Address
from protocol.keys import P256_ORDER, verify_device
from tests.hotspot.tokens import PIN, Token, softhsm

NETWORK = Network(31_337, Address(bytes(20)))


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Token:
    return softhsm(tmp_path, monkeypatch)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "hotspot"
    made.mkdir(mode=0o700)
    return made


def test_a_tokens_key_signs_what_the_protocol_verifies(one: Token, home: Path) -> None:
    made = place.create_in_token(home, token.parse(one.uri()), PIN)
    loaded = keys.load(home)
    assert loaded.hotspot_id == made.hotspot_id
    for count in range(20):
        body = bytes([count])
        signature = loaded.sign("farfield/report", NETWORK, body)
        assert int.from_bytes(signature[32:], "big") <= P256_ORDER // 2
        assert verify_device(loaded.public, signed_bytes("farfield/report", NETWORK, body), signature)


def test_shows_a_tokens_key_without_asking_for_the_pin(one: Token, home: Path) -> None:
    made = place.create_in_token(home, token.parse(one.uri()), PIN)
    one.pin_file.unlink()
    shown = place.show(home)
    assert (shown.hotspot_id, shown.public_key) == (made.hotspot_id.hex(), made.public_hex)


def test_the_private_number_cannot_be_read_from_the_token(one: Token, home: Path) -> None:
    import pkcs11

    place.create_in_token(home, token.parse(one.uri()), PIN)
    with pkcs11.lib(one.module).get_token(token_label=one.label).open() as session:
        private = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label="device")
        with pytest.raises(pkcs11.PKCS11Error):
            private[pkcs11.Attribute.VALUE]


def test_the_directory_keeps_no_pin_and_no_private_number(one: Token, home: Path) -> None:
    place.create_in_token(home, token.parse(one.uri()), PIN)
    text = (home / keys.TOKEN_FILE).read_text()
    assert PIN not in text
    assert sorted(json.loads(text)) == ["format", "hotspot_id", "public_key", "uri", "version"]


def test_a_key_that_was_in_a_file_moves_into_a_token(one: Token, home: Path) -> None:
    key = new_software_key()
    moved = place.put_into_token(home, token.parse(one.uri()), PIN, key)
    assert moved.hotspot_id == key.hotspot_id
    assert keys.load(home).hotspot_id == key.hotspot_id


def test_another_key_under_the_same_name_is_refused(one: Token, home: Path) -> None:
    place.create_in_token(home, token.parse(one.uri()), PIN)
    path = home / keys.TOKEN_FILE
    tree = json.loads(path.read_text())
    path.write_text(json.dumps(tree | {"hotspot_id": new_software_key().hotspot_id.hex()}))
    with pytest.raises(keys.KeyProblemError, match="not the one this hotspot was registered with"):
        keys.load(home)


def test_a_token_holds_one_key_of_a_name(one: Token, home: Path, tmp_path: Path) -> None:
    place.create_in_token(home, token.parse(one.uri()), PIN)
    (tmp_path / "other").mkdir(mode=0o700)
    with pytest.raises(keys.KeyProblemError, match="keys attach"):
        place.create_in_token(tmp_path / "other", token.parse(one.uri()), PIN)
    assert not keys.exists(tmp_path / "other")


def test_a_token_is_not_backed_up_into_a_file(one: Token, home: Path, tmp_path: Path) -> None:
    key = place.create_in_token(home, token.parse(one.uri()), PIN)
    with pytest.raises(keys.KeyProblemError, match="does not give its key away"):
        place.back_up(key, tmp_path / "backup.json", "a long passphrase")
    assert not (tmp_path / "backup.json").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"pin": "999999"}, "refuses that PIN"),
        ({"token": "absent"}, "Plug it in"),
        ({"object": "absent"}, "no such P-256 key"),
        ({"module": "/nowhere/lib.so"}, "module-path"),
    ],
)
def test_says_what_is_wrong_with_a_token(one: Token, home: Path, change: dict[str, str], sentence: str) -> None:
    place.create_in_token(home, token.parse(one.uri()), PIN)
    one.pin_file.write_text(change.get("pin", PIN))
    uri = one.uri(change.get("object", "device")).replace(
        f"token={one.label}", f"token={change.get('token', one.label)}"
    )
    uri = uri.replace(one.module, change.get("module", one.module))
    name = token.parse(uri)
    child = (
        "import sys; from hotspot.keys import token, KeyProblemError\n"
        "try: token.open_key(token.parse(sys.argv[1]))\n"
        "except KeyProblemError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", child, name.uri], capture_output=True, text=True, check=True).stdout
    assert sentence in said


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("file:/x", "not a PKCS#11 URI"),
        ("pkcs11:token=a;object=b", "module-path"),
        ("pkcs11:object=b?module-path=/x", "needs token or serial"),
        ("pkcs11:token=a?module-path=/x", "object or id"),
        ("pkcs11:token=a;object=b?module-path=/x&pin-value=1234", "does not belong into a URI"),
        ("pkcs11:token=a;object=b;slot=1?module-path=/x", "`slot` means nothing"),
        ("pkcs11:token;object=b?module-path=/x", "`token` means nothing"),
    ],
)
def test_names_what_is_wrong_with_a_uri(uri: str, sentence: str) -> None:
    with pytest.raises(keys.KeyProblemError, match=sentence) as caught:
        token.parse(uri)
    assert "1234" not in str(caught.value)


def test_reads_every_part_of_a_uri() -> None:
    name = token.parse("pkcs11:token=my%20token;object=d%3Bx;id=%01%ff?module-path=/lib.so&pin-source=file:/run/pin")
    assert (name.token, name.label, name.object_id, name.module) == ("my token", "d;x", b"\x01\xff", "/lib.so")
    assert name.pin_source == Path("/run/pin")
