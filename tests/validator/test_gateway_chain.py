"""What the gateway asks of the chain, puts on it, and says of what was judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.ids import ReportId
from protocol.limits import COMMIT_EARLY_MS
from protocol.manifest import COMMITS
from protocol.reasons import Reason
from tests.factories import make_device
from tests.validator.batches import (
    DEVICES,
    commits,
    flipped,
    one_validator,
    open_session,
    registration,
    report,
    session_record,
)
from tests.validator.nodes import LocalNetwork, all_hear_all, run, start_ms
from validator.gateway import UnavailableError
from validator.relay import RelayRefusedError


def test_no_call_waits_for_the_chain_on_the_event_loop(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            node.network.chain.in_loop.clear()
            token = await open_session(node)
            await node.gateway.take_commits(commits(token, range(1)))
            await node.gateway.take_reports([report()])
            await node.gateway.epoch_facts(1)
            await node.gateway.verdicts([ReportId(bytes(32))])
            await node.gateway.relay(*registration("new"), "ipv4:127.0.0.1")
            assert node.network.chain.in_loop == []

    run(test)


def test_records_are_taken_while_the_chain_is_silent(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            token = await open_session(node)
            await node.gateway.take_commits(commits(token, range(1)))
            node.network.chain.down = True
            taken = await node.gateway.take_commits(commits(token, range(1, 2)))
            assert taken.receipt is not None

    run(test)


def test_a_silent_chain_is_said_where_it_has_to_be_asked(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            node.network.chain.down = True
            for call in (
                node.gateway.take_reports([report()]),
                node.gateway.open_sessions([session_record(node, DEVICES[0])]),
                node.gateway.epoch_facts(1),
                node.gateway.relay(*registration("new"), "ipv4:127.0.0.1"),
            ):
                with pytest.raises(UnavailableError, match="No RPC address answers"):
                    await call

    run(test)


def test_an_epoch_whose_registry_is_not_final_is_asked_for_again_later(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path, start_ms(1) + 10_000) as node:
            token = await open_session(node)
            node.network.clock.time_ms = start_ms(2) - COMMIT_EARLY_MS
            with pytest.raises(UnavailableError, match="the registry of epoch 2 is not known yet"):
                await node.gateway.take_commits(commits(token, range(1), 2))

    run(test)


def test_facts_of_an_epoch_are_given_while_they_matter(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path, start_ms(30) + 10_000) as node:
            found = [await node.gateway.epoch_facts(epoch) for epoch in (0, 22, 23, 30, 31, 2**63 - 1)]
            assert [one is not None for one in found] == [False, False, True, True, False, False]
            assert found[3] is not None
            assert (found[3].seed, found[3].start_ms) == (node.view.seed(30), start_ms(30))

    run(test)


# --- registrations ------------------------------------------------------------------------------------------------


def test_a_registration_is_sent_to_the_contract_as_it_was_signed(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            record, signature = registration("new")
            relayed = await node.gateway.relay(record, signature, "ipv4:127.0.0.1")
            [arguments] = node.sender.registrations
            assert arguments["cell"] == record.cell
            assert relayed.hotspot_id == make_device("new", record.cell).hotspot_id

    run(test)


@pytest.mark.parametrize("at", range(0, 64, 13))
def test_refuses_a_registration_with_a_flipped_bit_in_its_signature(tmp_path: Path, at: int) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            record, signature = registration("new")
            with pytest.raises(RelayRefusedError, match="not signed by the device key it names"):
                await node.gateway.relay(record, flipped(signature, at), "ipv4:127.0.0.1")
            assert node.sender.registrations == []

    run(test)


def test_an_owner_has_a_number_of_registrations_a_day(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            most = node.rules.params.relay.per_owner
            for number in range(most):
                await node.gateway.relay(*registration(f"new {number}"), "ipv4:127.0.0.1")
            with pytest.raises(RelayRefusedError, match="come back tomorrow") as refused:
                await node.gateway.relay(*registration("one more"), "ipv4:127.0.0.2")
            assert refused.value.over_limit
            await node.gateway.relay(*registration("one more", "another owner"), "ipv4:127.0.0.1")
            node.network.clock.time_ms += 86_400_000
            await node.gateway.relay(*registration("one more"), "ipv4:127.0.0.1")

    run(test)


def test_a_silent_chain_costs_an_owner_nothing_of_its_day(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            node.network.chain.down = True
            for _ in range(node.rules.params.relay.per_owner):
                with pytest.raises(UnavailableError):
                    await node.gateway.relay(*registration("new"), "ipv4:127.0.0.1")
            node.network.chain.down = False
            await node.gateway.relay(*registration("new"), "ipv4:127.0.0.1")

    run(test)


# --- verdicts -----------------------------------------------------------------------------------------------------


def test_a_verdict_is_provisional_from_the_own_inbox_and_final_once_settled(tmp_path: Path) -> None:
    async def test() -> None:
        network = LocalNetwork(tmp_path)
        network.chain.register(*DEVICES)
        network.clock.time_ms = start_ms(1) - 2_000
        await network.start()
        world = all_hear_all(network.world(1, *DEVICES))
        await network.feed(world)
        network.clock.time_ms = start_ms(2)
        node = network.nodes[1]
        ids = [ReportId(row[:64][32:]) for row in node.inbox.epoch(1).rows[COMMITS].values()]
        before = await node.gateway.verdicts([*ids, ReportId(bytes(32))])
        assert [(outcome.reason, final) for outcome, final in before] == [(Reason.ACCEPTED, False)] * len(ids)
        await network.run_until(lambda: network.settled()[1] == 1, 30_000)
        after = await node.gateway.verdicts(ids)
        assert [(outcome.reason, final) for outcome, final in after] == [(Reason.ACCEPTED, True)] * len(ids)
        await network.stop(1)
        await network.start(1)
        assert await network.nodes[1].gateway.verdicts(ids) == after
        await network.stop()

    run(test)


@pytest.mark.parametrize(("later_ms", "runs"), [(19_000, 2), (21_000, 4)])
def test_however_many_ask_drafts_are_judged_a_tenth_of_the_time_at_most(
    tmp_path: Path, later_ms: int, runs: int
) -> None:
    """Each judging takes two seconds here: one for the beacons, one for the witnesses."""

    async def test() -> None:
        network = LocalNetwork(tmp_path)
        ran: list[int] = []

        class SlowEngine:
            def run(self, *_: object) -> list[tuple[int, ...]]:
                network.clock.time_ms += 1_000
                ran.append(network.clock.time_ms)
                return []

        network.chain.register(*DEVICES)
        network.clock.time_ms = start_ms(1) + 10_000
        await network.start(1, engine=SlowEngine())
        node = network.nodes[1]
        token = await open_session(node)
        await node.gateway.take_commits(commits(token, range(1)))
        await node.gateway.verdicts([ReportId(bytes(32))])
        network.clock.time_ms += later_ms
        await node.gateway.verdicts([ReportId(bytes(32))])
        assert len(ran) == runs
        await network.stop()

    run(test)


def test_drafts_of_epochs_that_never_settle_are_forgotten(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            for epoch in range(1, 6):
                node.network.clock.time_ms = start_ms(epoch) + 30_000
                node.view.refresh()
                token = await open_session(node)
                await node.gateway.take_commits(commits(token, range(1), epoch))
                await node.gateway.verdicts([ReportId(bytes(32))])
            assert len(node.desk._provisional) <= 2

    run(test)
