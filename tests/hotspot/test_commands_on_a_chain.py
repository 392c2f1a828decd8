"""The commands that look at a network, on a real chain with a validator that answers."""

from __future__ import annotations

import dataclasses
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import coincurve
import pytest
from click.testing import CliRunner, Result

from chain import calls
from chain.network import ValidatorEntry, dump
from hotspot import keys
from hotspot.command import group
from protocol import geo
from protocol.encoding import concatenate, sha256
from protocol.ids import CellId
from protocol.keys import coordinates
from protocol.parameters import params_hash
from protocol.records import REGISTRATION, Registration
from protocol.regions import RegionCell
from protocol.rulebook import TEXT
from tests.chain import world as chain_world
from tests.chain.world import HOME, Anvil, World, build_world, device
from tests.hotspot.test_command import Relay
from tests.hotspot.test_rules import devnet_with

REGION_ROWS = concatenate([RegionCell(0, geo.parent(CellId(HOME), 3))])
PARAMS = devnet_with(REGION_ROWS)
UNTIL_GENESIS_S = 60


def farfield(command: str, directory: Path, *more: str) -> Result:
    network = directory.parent / "network.json"
    return CliRunner().invoke(group, [command, *more, "--network", str(network), "--directory", str(directory)])


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Its params are the devnet's; epoch 1, which nobody waits for, is final as soon as a test says so."""
    monkeypatch.setattr(chain_world, "PARAMS_HASH", params_hash(PARAMS, TEXT))
    chain = Anvil()
    made = build_world(chain, genesis_in_s=UNTIL_GENESIS_S)
    yield made
    made.reader.close()
    chain.stop()


@pytest.fixture
def home(world: World, tmp_path: Path) -> Iterator[Path]:
    """The directory of a registered hotspot, and a validator that holds the network's params."""
    directory = tmp_path / "mine"
    directory.mkdir()
    register(world, directory)
    with Relay(world) as validator:
        validator.blobs = {sha256(one): one for one in (PARAMS, REGION_ROWS)}
        validator.params_file = sha256(PARAMS)
        first, second, *_ = world.network.validators
        stranger = dataclasses.replace(second, key=chain_world.quorum_address(coincurve.PrivateKey(b"\x07" * 32)))
        entries = (ValidatorEntry(first.owner, first.key, validator.endpoint), stranger)
        (tmp_path / "network.json").write_text(dump(dataclasses.replace(world.network, validators=entries)))
        yield directory


def register(world: World, directory: Path) -> None:
    key = keys.create(directory)
    x, y = coordinates(key.public)
    plain = device(1).registration(b"o" * 20)
    registration: Registration = dataclasses.replace(plain, x=x, y=y)
    signature = key.sign(REGISTRATION, world.network.network, registration.encode())
    world.send(calls.register(world.network, registration, signature))
    world.anvil.finalize()


def test_doctor_compares_the_files_validators_with_those_in_force(home: Path) -> None:
    result = farfield("doctor", home, "--json")
    assert result.exit_code == 3, result.output
    found = {one["code"]: one["sentence"] for one in json.loads(result.output)["findings"]}
    assert "it signs with" in found["unknown_validator_key"]
    assert "not_registered" not in found
    assert "chain_unreachable" not in found


def test_a_support_bundle_holds_what_doctor_says_of_the_chain(home: Path) -> None:
    bundle = home / "bundle.tar.gz"
    result = farfield("support-bundle", home, "--out", str(bundle))
    assert result.exit_code == 0, result.output
    with tarfile.open(bundle) as packed:
        (name,) = [one for one in packed.getnames() if one.endswith("doctor.json")]
        told = packed.extractfile(name)
        assert told is not None
        assert b"unknown_validator_key" in told.read()


def test_the_next_slots_are_shown_once_their_seed_is_final(world: World, home: Path) -> None:
    early = farfield("beacon", home, "--dry-run")
    assert (early.exit_code, early.output) == (1, "The seed of epoch 1 is not final yet. Try again in a moment.\n")
    world.anvil.warp(world.end_of(0))
    world.anvil.finalize()
    planned = farfield("beacon", home, "--dry-run", "--json")
    assert planned.exit_code == 0, planned.output
    told = json.loads(planned.output)
    assert (told["epoch"], told["region"], len(told["slots"]), told["transmitted"]) == (1, "EU868", 4, False)
