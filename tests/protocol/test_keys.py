"""Device and quorum signatures against vectors, and every kind of signature with one bit flipped."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import coincurve
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from protocol import keys
from protocol.ids import Address, is_hotspot_id
from protocol.quorum import is_quorum
from tests.factories import device_key, validator_key
from tests.protocol.vectors import cases, unhex

# --- P-256


@pytest.mark.parametrize("case", cases("p256.json"))
def test_signs_as_rfc_6979_with_low_s(case: dict[str, Any]) -> None:
    private = ec.derive_private_key(int(case["private_key"], 16), ec.SECP256R1())
    assert keys.sign_device(private, unhex(case["message"])) == unhex(case["signature"])


@pytest.mark.parametrize("case", cases("p256.json"))
@pytest.mark.parametrize("form", ["public_key_compressed", "public_key_uncompressed"])
def test_verifies_with_either_form_of_the_public_key(case: dict[str, Any], form: str) -> None:
    public = keys.parse_public_key(unhex(case[form]))
    assert public is not None
    assert keys.verify_device(public, unhex(case["message"]), unhex(case["signature"]))


@pytest.mark.parametrize("case", cases("p256.json"))
def test_a_hotspot_id_is_the_hash_of_its_key_with_the_top_bit_set(case: dict[str, Any]) -> None:
    public = keys.parse_public_key(unhex(case["public_key_compressed"]))
    assert public is not None
    assert keys.hotspot_id(public) == unhex(case["hotspot_id"])
    assert is_hotspot_id(keys.hotspot_id(public))


@pytest.mark.parametrize("case", cases("p256.json", "invalid"))
def test_refuses_keys_and_signatures_the_policy_forbids(case: dict[str, Any]) -> None:
    public = keys.parse_public_key(unhex(case["public_key"]))
    assert public is None or not keys.verify_device(public, unhex(case["message"]), unhex(case["signature"]))


@pytest.mark.parametrize("bit", range(0, 512, 13))
def test_one_flipped_bit_breaks_a_device_signature(bit: int) -> None:
    key = device_key("a")
    signature = int.from_bytes(keys.sign_device(key, b"message"), "big") ^ (1 << bit)
    assert not keys.verify_device(key.public_key(), b"message", signature.to_bytes(64, "big"))


def test_coordinates_off_the_curve_are_no_key() -> None:
    assert keys.public_key((1).to_bytes(32, "big"), (1).to_bytes(32, "big")) is None


def test_coordinates_of_a_key_give_the_key_back() -> None:
    public = device_key("a").public_key()
    again = keys.public_key(*keys.coordinates(public))
    assert again is not None
    assert keys.coordinates(again) == keys.coordinates(public)


# --- secp256k1 over EIP-712


def domain_of(case: dict[str, Any]) -> keys.Domain:
    return keys.Domain(int(case["chain_id"]), Address(unhex(case["verifying_contract"])))


def root_of(message: dict[str, Any]) -> keys.EpochRoot:
    return keys.EpochRoot(
        int(message["epoch"]),
        int(message["setId"]),
        unhex(message["root"]),
        unhex(message["dataHash"]),
        int(message["cumTotal"]),
    )


@pytest.mark.parametrize("case", cases("eip712.json"))
def test_hashes_roots_as_eip_712(case: dict[str, Any]) -> None:
    domain, root = domain_of(case), root_of(case["message"])
    found = domain.separator(), root.struct_hash(), domain.digest(root)
    assert found == (unhex(case["domain_separator"]), unhex(case["struct_hash"]), unhex(case["digest"]))


@pytest.mark.parametrize("case", cases("eip712.json"))
def test_signs_and_recovers_as_ethereum_libraries_do(case: dict[str, Any]) -> None:
    digest = unhex(case["digest"])
    made = [keys.sign_quorum(coincurve.PrivateKey(unhex(one["private_key"])), digest) for one in case["signatures"]]
    assert made == [unhex(one["signature"]) for one in case["signatures"]]
    assert [keys.recover_quorum(digest, one) for one in made] == [unhex(one["address"]) for one in case["signatures"]]


@pytest.mark.parametrize("case", cases("eip712.json"))
def test_the_account_of_a_key_is_ethereums(case: dict[str, Any]) -> None:
    signers = case["signatures"]
    accounts = [keys.quorum_address(coincurve.PrivateKey(unhex(one["private_key"]))) for one in signers]
    assert accounts == [unhex(one["address"]) for one in signers]


@pytest.mark.parametrize("case", cases("eip712.json", "invalid"))
def test_a_bad_quorum_signature_recovers_nobody_it_claims(case: dict[str, Any]) -> None:
    assert keys.recover_quorum(unhex(case["digest"]), unhex(case["signature"])) != unhex(case["claimed_address"])


@pytest.mark.parametrize("case", cases("eip712.json", "quorum"))
def test_a_quorum_is_strictly_more_than_two_thirds(case: dict[str, Any]) -> None:
    assert is_quorum(int(case["signed_stake"]), int(case["total_stake"])) is case["quorum"]


MESSAGES = [
    keys.EpochRoot(1, 2, bytes(32), bytes(32), 3),
    keys.ManifestSigned(1, bytes(32)),
    keys.Available(1, bytes(20), bytes(32)),
    keys.Receipt(bytes(32), 1, 2),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
@pytest.mark.parametrize("bit", range(0, 520, 37))
def test_one_flipped_bit_of_a_quorum_signature_recovers_somebody_else(message: keys.Typed, bit: int) -> None:
    key, digest = validator_key("v1"), keys.Domain(31_337, Address(bytes(20))).digest(message)
    flipped = int.from_bytes(keys.sign_quorum(key, digest), "big") ^ (1 << bit)
    assert keys.recover_quorum(digest, flipped.to_bytes(65, "big")) != keys.quorum_address(key)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_field_of_a_signed_struct_changes_its_hash(message: Any) -> None:
    same = []
    for name in (one.name for one in fields(message)):
        value = getattr(message, name)
        other = value + 1 if isinstance(value, int) else b"\1" + value[1:]
        if replace(message, **{name: other}).struct_hash() == message.struct_hash():
            same.append(name)
    assert same == []


def test_structs_with_equal_fields_hash_apart() -> None:
    assert len({message.struct_hash() for message in MESSAGES}) == len(MESSAGES)


@pytest.mark.parametrize("v", [0, 1, 26, 29, 255])
def test_refuses_a_recovery_id_other_than_27_or_28(v: int) -> None:
    signature = keys.sign_quorum(validator_key("v1"), bytes(32))[:64] + bytes([v])
    assert keys.recover_quorum(bytes(32), signature) is None


def test_a_signature_no_point_fits_recovers_nobody() -> None:
    no_point = (5).to_bytes(32, "big") + (1).to_bytes(32, "big") + b"\x1b"
    assert keys.recover_quorum(bytes(32), no_point) is None
