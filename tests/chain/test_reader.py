"""The reader: what it says about a chain is true, final, and a sentence when it is not."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chain.artifacts import NAMES
from chain.errors import ChainUnavailable, RequestRefused
from chain.network import checksum
from chain.reader import Block, ChainReader
from protocol.ids import account_id
from tests.chain.world import PARAMS_HASH, STAKE, WINDOWS, Anvil, World, owner_account

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def reader_of() -> Iterator[Callable[..., ChainReader]]:
    """A reader of a world whose network file says something else."""
    readers: list[ChainReader] = []

    def make(world: World, **changes: object) -> ChainReader:
        readers.append(ChainReader(dataclasses.replace(world.network, **changes)))
        return readers[-1]

    yield make
    for reader in readers:
        reader.close()


# --- is it the right chain? ---


def test_finds_nothing_wrong_with_a_good_network(world: World) -> None:
    assert world.reader.check() == []


def test_uses_the_next_address_when_one_fails(world: World, reader_of: Callable[..., ChainReader]) -> None:
    reader = reader_of(world, rpc_urls=(NOWHERE, world.anvil.url))
    assert reader.total_supply() == 4 * STAKE
    [finding] = reader.check()
    assert finding.startswith(f"{NOWHERE} refuses the connection.")


def test_says_so_when_no_address_answers(world: World, reader_of: Callable[..., ChainReader]) -> None:
    reader = reader_of(world, rpc_urls=(NOWHERE,))
    with pytest.raises(ChainUnavailable, match="refuses the connection"):
        reader.final_block()
    with pytest.raises(ChainUnavailable, match="refuses the connection"):
        reader.check()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"chain_id": 5}, "is chain 31337, not 5"),
        ({"genesis_hash": bytes(32)}, "another genesis block: it is a different network"),
    ],
)
def test_refuses_another_chain(
    world: World, reader_of: Callable[..., ChainReader], changes: dict[str, object], words: str
) -> None:
    reader = reader_of(world, **changes)
    [finding] = reader.check()
    assert words in finding
    with pytest.raises(ChainUnavailable, match=words):
        reader.final_block()


def test_finds_other_parameters(world: World, reader_of: Callable[..., ChainReader]) -> None:
    [finding] = reader_of(world, params_hash=bytes(32)).check()
    assert finding.startswith("The params hash on chain is another than the file's.")


def test_finds_an_address_without_a_contract(world: World, reader_of: Callable[..., ChainReader]) -> None:
    contracts = dataclasses.replace(world.network.contracts, hotspots=owner_account(0))
    [finding] = reader_of(world, contracts=contracts).check()
    assert finding.startswith("There is no contract at the address of hotspots.")


def test_finds_contracts_of_another_network(
    make_world: Callable[..., World], reader_of: Callable[..., ChainReader]
) -> None:
    world, other = make_world(), make_world()
    contracts = dataclasses.replace(
        world.network.contracts, token=other.network.contracts.token, hotspots=other.network.contracts.hotspots
    )
    findings = reader_of(world, contracts=contracts).check()
    assert [finding.split(" than ")[0] for finding in findings] == [
        "The Epochs contract pays another token",
        "The Epochs contract uses another registry",
    ]


def test_finds_a_validator_that_is_none(world: World, reader_of: Callable[..., ChainReader]) -> None:
    stranger = dataclasses.replace(world.network.validators[0], key=owner_account(9))
    [finding] = reader_of(world, validators=(stranger,)).check()
    assert "is not a validator with the key the file names" in finding


# --- blocks ---


def blocks_of(world: World) -> list[Block]:
    last = world.reader.final_block().number
    return [world.reader.fresh_block(number) for number in range(last + 1)]


@pytest.fixture
def timed(world: World) -> World:
    """A world with blocks 7 s apart."""
    for _ in range(12):
        world.anvil.warp(world.anvil.now_s() + 7)
    return world


def test_final_block_lies_behind_the_newest(timed: World) -> None:
    newest = int(timed.anvil.rpc("eth_blockNumber"), 16)
    assert timed.reader.final_block().number == newest - 2


def test_final_block_by_confirmations(world: World, reader_of: Callable[..., ChainReader]) -> None:
    newest = int(world.anvil.rpc("eth_blockNumber"), 16)
    assert reader_of(world, confirmations=5).final_block().number == newest - 5
    assert reader_of(world, confirmations=10_000).final_block().number == 0


def test_block_names_its_parent(timed: World) -> None:
    blocks = blocks_of(timed)
    assert [one.parent_hash for one in blocks[1:]] == [one.hash for one in blocks[:-1]]


def test_finds_the_last_block_before_and_the_first_from_every_moment(
    timed: World, reader_of: Callable[..., ChainReader]
) -> None:
    blocks = blocks_of(timed)
    moments = sorted({one.timestamp_ms + step for one in blocks[-8:] for step in (-1, 0, 1, 3_500)})
    for reader in (timed.reader, reader_of(timed)):
        for moment in moments:
            later = [one for one in blocks if one.timestamp_ms > moment]
            before = [one for one in blocks if one.timestamp_ms <= moment]
            since = [one for one in blocks if one.timestamp_ms >= moment]
            assert reader.last_block_before(moment) == (before[-1] if later else None)
            assert reader.first_block_from(moment) == (since[0] if since else None)


def test_answers_about_a_moment_do_not_change(timed: World) -> None:
    final = timed.reader.final_block()
    assert timed.reader.last_block_before(final.timestamp_ms) is None
    asked = timed.reader.last_block_before(final.timestamp_ms - 1)
    timed.anvil.mine(5)
    assert timed.reader.last_block_before(final.timestamp_ms - 1) == asked
    assert timed.reader.last_block_before(final.timestamp_ms) == final


def test_says_when_the_chain_is_younger_than_the_moment(world: World) -> None:
    with pytest.raises(ValueError, match="the chain began at"):
        world.reader.last_block_before(1_000)
    assert world.reader.first_block_from(1_000).number == 0


def test_many_questions_cost_few_requests(timed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, asked = timed.reader, []
    fetch = reader.fresh_block
    monkeypatch.setattr(reader, "fresh_block", lambda number: asked.append(number) or fetch(number))
    final = reader.final_block()
    for moment in range(final.timestamp_ms - 60_000, final.timestamp_ms, 500):
        reader.last_block_before(moment)
    assert len(asked) == len(set(asked))


def test_refuses_a_block_that_does_not_exist(world: World) -> None:
    with pytest.raises(RequestRefused):
        world.reader.block(10**9)


# --- contracts ---


def test_reads_what_the_network_was_deployed_with(world: World) -> None:
    config = world.reader.config()
    assert config.genesis_ms == world.plan.genesis_ms
    assert (config.length_ms, config.close_after_ms) == (WINDOWS.length_ms, WINDOWS.close_after_ms)
    assert (config.finality_ms, config.challenge_window_ms) == (WINDOWS.finality_ms, WINDOWS.challenge_window_ms)
    assert (config.first_emission, config.halving_epochs) == (10**24, 4)
    assert config.params_hash == PARAMS_HASH
    assert (config.token, config.hotspots) == (world.network.contracts.token, world.network.contracts.hotspots)


def test_reads_roots_only_once_they_are_final(world: World) -> None:
    assert world.reader.live_root() is None
    world.warp_past(1)
    world.submit(world.root(1, total=7))
    assert world.reader.pending_root() is None
    world.anvil.finalize()
    pending = world.reader.pending_root()
    assert pending is not None
    assert (pending.epoch, pending.root, pending.cumulative_total) == (1, b"\x22" * 32, 7)
    world.anvil.warp(pending.active_at_ms // 1000)
    world.anvil.finalize()
    assert world.reader.live_root() == pending
    assert world.reader.pending_root() is None


def test_reads_supply_and_claims(world: World) -> None:
    world.anvil.finalize()
    assert world.reader.total_supply() == world.reader.genesis_supply() == 4 * STAKE
    assert world.reader.claimed(account_id(owner_account(0))) == 0
    assert world.reader.balance_of(owner_account(0)) == STAKE


def test_reads_from_many_threads(world: World) -> None:
    from concurrent.futures import ThreadPoolExecutor

    world.anvil.finalize()
    with ThreadPoolExecutor(8) as pool:
        supplies = set(pool.map(lambda _: world.reader.total_supply(), range(64)))
    assert supplies == {4 * STAKE}


def test_survives_an_outage(
    start_anvil: Callable[..., Anvil], tmp_path: Path, make_world: Callable[..., World]
) -> None:
    state = tmp_path / "state.json"
    chain = start_anvil(state=state)
    world = make_world(chain)
    before = world.reader.total_supply()
    chain.stop()
    with pytest.raises(ChainUnavailable):
        world.reader.final_block()
    start_anvil(state=state, port=chain.port).mine(3)
    assert world.reader.total_supply() == before
    assert world.reader.check() == []


def test_speaks_to_the_addresses_of_the_network_file(world: World) -> None:
    for name in NAMES:
        assert world.reader.contract(name).address == checksum(world.network.contracts.of(name))


def test_asks_nothing_before_the_first_question(world: World, reader_of: Callable[..., ChainReader]) -> None:
    started = time.monotonic()
    reader_of(world, rpc_urls=(NOWHERE,))
    assert time.monotonic() - started < 0.5
