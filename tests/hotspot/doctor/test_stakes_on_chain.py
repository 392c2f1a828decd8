"""`doctor` reads the listed validators' stakes from the chain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chain.network import dump
from hotspot.config import CONFIG_FILE
from hotspot.doctor import stakes
from hotspot.doctor.examine import examine
from tests.chain.conftest import anvil_chain, make_world
from tests.chain.world import STAKE, World

__all__ = ["anvil_chain", "make_world"]


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world(stakes=(STAKE,) * 7)


def test_one_validator_of_seven_is_too_little_and_three_are_enough(world: World, tmp_path: Path) -> None:
    owners = [one.owner for one in world.network.validators]
    network = tmp_path / "network.json"
    network.write_text(dump(world.network))
    (tmp_path / CONFIG_FILE).write_text(f'listen = "127.0.0.1:0"\nvalidators = ["0x{owners[0].hex()}"]\n')
    found = [one.code for one in examine(tmp_path, str(network), "").findings]
    assert "too_little_stake" in found
    assert stakes.find(world.network, owners[:3]) == stakes.find(world.network, []) == []
