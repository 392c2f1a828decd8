"""What a validator takes in from hotspots: borders of quota and time, reasons, receipts, and nothing that blocks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protocol.encoding import sha256
from protocol.ids import Address
from protocol.keys import recover_quorum
from protocol.limits import COMMIT_EARLY_MS, MAX_COMMITS_PER_HOTSPOT, MAX_REPORTS_PER_HOTSPOT
from protocol.manifest import COMMITS
from protocol.reasons import Reason
from tests.factories import NETWORK, make_device, north_of_ulm
from tests.validator.batches import (
    DEVICES,
    SEALED_MS,
    commits,
    flipped,
    one_validator,
    open_session,
    reasons,
    report,
    session_record,
)
from tests.validator.disks import DiaryDisk, FullDisk
from tests.validator.fakes import DOMAIN
from tests.validator.nodes import run, start_ms
from validator.gateway import ReportEntry, UnavailableError
from validator.seal import manifest_problem, seal

# --- receipts -----------------------------------------------------------------------------------------------------


def test_a_receipt_is_signed_and_covers_exactly_what_is_stored(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            token = await open_session(node)
            good = commits(token, range(3))
            taken = await node.gateway.take_commits([good[0], *commits(bytes(32), range(9, 10)), good[1], good[2]])
            assert taken.refusals == [(1, Reason.NO_SESSION)]
            assert taken.receipt is not None
            assert taken.receipt.batch_hash == sha256(*(one.report_id for one in good))
            assert taken.receipt.entries == 3
            assert recover_quorum(DOMAIN.digest(taken.receipt), taken.signature) == node.signer.address
            assert set(node.inbox.epoch(1).rows[COMMITS]) == {DEVICES[0].hotspot_id + one.report_id for one in good}

    run(test)


@pytest.mark.parametrize("kind", ["commits", "reports"])
def test_the_right_log_is_synced_before_the_receipt_is_signed(tmp_path: Path, kind: str) -> None:
    async def test() -> None:
        disk = DiaryDisk()
        async with one_validator(tmp_path, disk=disk) as node:
            token = await open_session(node)
            node.inbox.epoch(1)
            disk.events.clear()
            if kind == "commits":
                await node.gateway.take_commits(commits(token, range(3)))
            else:
                await node.gateway.take_reports([report()])
            disk.note("receipt")
            name = f"{kind.replace('reports', 'beacons')}.log"
            assert disk.events == [("append", name), ("sync", name), ("receipt", "")]

    run(test)


def test_a_batch_sent_again_gets_a_receipt_of_the_same_coverage_and_no_second_row(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            token = await open_session(node)
            first, again = [await node.gateway.take_commits(commits(token, range(3))) for _ in range(2)]
            assert first.receipt is not None
            assert again.receipt is not None
            assert again.receipt.batch_hash == first.receipt.batch_hash
            assert len(node.inbox.epoch(1).rows[COMMITS]) == 3

    run(test)


def test_an_entry_twice_in_a_batch_is_covered_twice_and_stored_once(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            one = report()
            taken = await node.gateway.take_reports([one, one])
            assert taken.receipt is not None
            assert taken.receipt.entries == 2
            assert node.inbox.epoch(1).reports[DEVICES[0].hotspot_id] == 1

    run(test)


def test_no_receipt_for_a_batch_nothing_of_which_is_stored(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            taken = await node.gateway.take_commits(commits(bytes(32), range(2)))
            assert (taken.receipt, taken.signature) == (None, b"")

    run(test)


@pytest.mark.parametrize("what", ["append", "sync"])
def test_a_full_disk_is_said_instead_of_a_receipt_and_the_batch_is_taken_later(tmp_path: Path, what: str) -> None:
    async def test() -> None:
        disk = FullDisk()
        async with one_validator(tmp_path, disk=disk) as node:
            token = await open_session(node)
            node.inbox.epoch(1)
            disk.fail(what)
            with pytest.raises(UnavailableError, match="nothing of this batch was stored, send it again"):
                await node.gateway.take_commits(commits(token, range(3)))
            assert node.inbox.epoch(1).rows[COMMITS] == {}
            taken = await node.gateway.take_commits(commits(token, range(3)))
            assert taken.receipt is not None

    run(test)


# --- quota --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [MAX_COMMITS_PER_HOTSPOT - 256, MAX_COMMITS_PER_HOTSPOT - 100])
def test_a_hotspots_commits_end_exactly_at_the_quota_also_within_a_batch(tmp_path: Path, first: int) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            token = await open_session(node)
            await node.gateway.take_commits(commits(token, range(first)))
            taken = await node.gateway.take_commits(commits(token, range(first, first + 256)))
            fits = MAX_COMMITS_PER_HOTSPOT - first
            assert taken.refusals == [(place, Reason.QUOTA) for place in range(fits, 256)]
            assert len(node.inbox.epoch(1).rows[COMMITS]) == MAX_COMMITS_PER_HOTSPOT
            later = await node.gateway.take_commits(commits(token, range(5_000, 5_001)))
            assert reasons(later) == [Reason.QUOTA]

    run(test)


def test_a_manifest_made_after_a_flood_is_one_that_peers_sign(tmp_path: Path) -> None:
    """One hotspot's batch over the quota must not cost the validator its manifest."""

    async def test() -> None:
        async with one_validator(tmp_path) as node:
            token = await open_session(node)
            for first in range(0, MAX_COMMITS_PER_HOTSPOT + 512, 250):
                await node.gateway.take_commits(commits(token, range(first, first + 250)))
            registry = node.view.registry(1)
            assert registry is not None
            manifest, segments = seal(node.inbox.epoch(1), NETWORK, 1, node.owner, registry)
            assert manifest_problem(manifest, segments, NETWORK, 1, registry) is None

    run(test)


def test_a_record_sent_again_is_covered_also_at_the_quota(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            token = await open_session(node)
            await node.gateway.take_commits(commits(token, range(MAX_COMMITS_PER_HOTSPOT - 1)))
            last = commits(token, range(9_000, 9_001))
            taken = await node.gateway.take_commits([*commits(token, range(1)), *last, *last])
            assert taken.refusals == []
            assert taken.receipt is not None
            assert taken.receipt.entries == 3

    run(test)


def test_a_hotspots_reports_end_exactly_at_the_quota(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            await node.gateway.take_reports([report(number) for number in range(MAX_REPORTS_PER_HOTSPOT - 1)])
            taken = await node.gateway.take_reports([report(number) for number in (5_000, 5_001)])
            assert taken.refusals == [(1, Reason.QUOTA)]

    run(test)


def test_one_hotspots_quota_is_not_anothers(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            token, other = await open_session(node), await open_session(node, DEVICES[1])
            await node.gateway.take_commits(commits(token, range(MAX_COMMITS_PER_HOTSPOT)))
            taken = await node.gateway.take_commits(commits(other, range(1)))
            assert taken.refusals == []

    run(test)


# --- time ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now_ms", "expected"),
    [
        (start_ms(1) - COMMIT_EARLY_MS - 1, [Reason.WRONG_EPOCH]),
        (start_ms(1) - COMMIT_EARLY_MS, []),
        (SEALED_MS - 1, []),
        (SEALED_MS, [Reason.EPOCH_SEALED]),
    ],
)
def test_an_epoch_takes_records_from_two_seconds_before_it_until_it_is_sealed(
    tmp_path: Path, now_ms: int, expected: list[Reason]
) -> None:
    async def test() -> None:
        async with one_validator(tmp_path, now_ms) as node:
            token = await open_session(node)
            assert reasons(await node.gateway.take_commits(commits(token, range(1)))) == expected
            assert reasons(await node.gateway.take_reports([report()])) == expected

    run(test)


@pytest.mark.parametrize("epoch", [0, 3, 2**63 - 1])
def test_refuses_an_epoch_that_is_not_open(tmp_path: Path, epoch: int) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            token = await open_session(node)
            taken = await node.gateway.take_commits(commits(token, range(1), epoch))
            assert reasons(taken) == [Reason.WRONG_EPOCH]
            assert not node.inbox.has(epoch)

    run(test)


def test_refuses_a_record_of_an_epoch_that_was_sealed_meanwhile(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            token = await open_session(node)
            await node.inbox.seal(1)
            taken = await node.gateway.take_commits(commits(token, range(1)))
            assert reasons(taken) == [Reason.EPOCH_SEALED]

    run(test)


def test_a_commit_is_recorded_with_the_time_its_call_arrived(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path, receive_skew_ms=30_000) as node:
            token = await open_session(node)
            await node.gateway.take_commits(commits(token, range(1)))
            [row] = node.inbox.epoch(1).rows[COMMITS].values()
            assert int.from_bytes(row[-6:], "big") == node.network.clock.now_ms() + 30_000

    run(test)


# --- who and what -------------------------------------------------------------------------------------------------

STRANGER = make_device("stranger", north_of_ulm(0))


def test_an_unregistered_hotspot_never_reaches_signature_verification(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def verified(*_: object) -> bool:
        raise AssertionError("a stranger's signature was verified")

    async def test() -> None:
        async with one_validator(tmp_path) as node:
            record = session_record(node, STRANGER)
            monkeypatch.setattr("validator.sessions.verify_device", verified)
            monkeypatch.setattr("validator.admission.verify_device", verified)
            assert await node.gateway.open_sessions([record]) == [Reason.NOT_REGISTERED]
            assert reasons(await node.gateway.take_reports([report(device=STRANGER)])) == [Reason.NOT_REGISTERED]

    run(test)


@pytest.mark.parametrize(
    "bent", [{"chain_id": 1}, {"contract": Address(b"\x44" * 20)}], ids=["another chain", "another contract"]
)
def test_refuses_a_report_for_another_network(tmp_path: Path, bent: dict[str, Any]) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            assert reasons(await node.gateway.take_reports([report(**bent)])) == [Reason.WRONG_NETWORK]

    run(test)


@pytest.mark.parametrize("at", range(0, 64, 7))
def test_refuses_a_report_with_a_flipped_bit_in_its_signature(tmp_path: Path, at: int) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            one = report()
            taken = await node.gateway.take_reports([replace(one, signature=flipped(one.signature, at))])
            assert reasons(taken) == [Reason.SIGNATURE_REFUSED]

    run(test)


def test_refuses_a_report_whose_bytes_are_not_those_signed(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            one = report()
            other = replace(one.report, power_cdb=1_500)
            bent = ReportEntry(other, other.encode(), one.signature)
            assert reasons(await node.gateway.take_reports([bent])) == [Reason.SIGNATURE_REFUSED]

    run(test)


def test_refusals_are_counted_by_reason_and_stand_in_the_manifest(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            one = report()
            await node.gateway.take_commits(commits(bytes(32), range(2)))
            await node.gateway.take_reports(
                [
                    report(chain_id=1),
                    replace(one, signature=flipped(one.signature, 0)),
                    report(device=STRANGER),
                    report(device=STRANGER),
                    report(),
                ]
            )
            registry = node.view.registry(1)
            assert registry is not None
            manifest, _ = seal(node.inbox.epoch(1), NETWORK, 1, node.owner, registry)
            assert {Reason(row.reason): row.count for row in manifest.refusals} == {
                Reason.NO_SESSION: 2,
                Reason.WRONG_NETWORK: 1,
                Reason.SIGNATURE_REFUSED: 1,
                Reason.NOT_REGISTERED: 2,
            }

    run(test)
