"""What a validator takes in from hotspots: borders of quota and time, reasons, receipts, and nothing that blocks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protocol.encoding import U32, sha256, signed_bytes
from protocol.ids import Address, ReportId
from protocol.keys import coordinates, recover_quorum, sign_device
from protocol.limits import COMMIT_EARLY_MS, MAX_COMMITS_PER_HOTSPOT, MAX_REPORTS_PER_HOTSPOT
from protocol.manifest import COMMITS
from protocol.reasons import Reason
from protocol.records import REGISTRATION, SESSION, Beacon, Registration, Session
from tests.factories import NETWORK, Device, device_key, make_device, north_of_ulm, sign_report
from tests.validator.disks import DiaryDisk, FullDisk
from tests.validator.fakes import DOMAIN
from tests.validator.nodes import EPOCH, LocalNetwork, Node, all_hear_all, owner_of, run, start_ms, three_devices
from validator.gateway import CommitEntry, ReportEntry, Taken, UnavailableError
from validator.relay import Relay, RelayRefusedError
from validator.seal import manifest_problem, seal
from validator.sessions import CHALLENGE_VALID_MS, MAX_SESSION_MS, MAX_SESSIONS_PER_HOTSPOT

DEVICES = three_devices()
SEALED_MS = start_ms(2) + EPOCH.seal_after_ms


@asynccontextmanager
async def one_validator(directory: Path, now_ms: int = start_ms(1) + 10_000, **bent: Any) -> AsyncIterator[Node]:
    network = LocalNetwork(directory)
    network.chain.register(*DEVICES)
    network.clock.time_ms = now_ms
    await network.start(1, **bent)
    try:
        yield network.nodes[1]
    finally:
        await network.stop()


def session_record(node: Node, device: Device, **bent: Any) -> tuple[Session, bytes]:
    now_ms = node.network.clock.now_ms()
    fields = {
        "hotspot_id": device.hotspot_id,
        "validator": node.owner,
        "server_nonce": node.gateway.challenge()[0],
        "expires_at_ms": now_ms + 3_600_000,
    }
    session = Session(**{**fields, **bent})
    return session, sign_device(device.key, signed_bytes(SESSION, NETWORK, session.encode()))


async def open_session(node: Node, device: Device = DEVICES[0], **bent: Any) -> bytes:
    [token] = await node.gateway.open_sessions([session_record(node, device, **bent)])
    assert isinstance(token, bytes)
    return token


def commits(token: bytes, numbers: range, epoch: int = 1) -> list[CommitEntry]:
    return [CommitEntry(token, epoch, ReportId(sha256(U32.encode(number)))) for number in numbers]


def report(number: int = 0, device: Device = DEVICES[0], epoch: int = 1, **bent: Any) -> ReportEntry:
    fields = {
        "chain_id": NETWORK.chain_id,
        "contract": NETWORK.hotspots,
        "hotspot_id": device.hotspot_id,
        "epoch": epoch,
        "salt": bytes(16),
        "slot": number,
        "nonce": bytes(32),
        "frequency_hz": 868_100_000,
        "spreading_factor": 7,
        "bandwidth_hz": 125_000,
        "power_cdb": 1_400,
        "sent_at_ms": start_ms(epoch),
        "cell": 0,
    }
    beacon = Beacon(**{**fields, **bent})
    return ReportEntry(beacon, beacon.encode(), sign_report(device, beacon.encode()))


def reasons(taken: Taken) -> list[Reason]:
    return [reason for _, reason in taken.refusals]


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


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


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


# --- sessions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bent", "expected"),
    [
        ({"validator": owner_of(2)}, Reason.NO_SESSION),
        ({"server_nonce": bytes(32)}, Reason.NO_SESSION),
        ({"expires_at_ms": start_ms(1) + 10_000}, Reason.NO_SESSION),
        ({"expires_at_ms": start_ms(1) + 10_000 + MAX_SESSION_MS + 1}, Reason.NO_SESSION),
    ],
    ids=["another validator", "a nonce nobody gave", "expired", "too long"],
)
def test_refuses_a_session(tmp_path: Path, bent: dict[str, Any], expected: Reason) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            assert await node.gateway.open_sessions([session_record(node, DEVICES[0], **bent)]) == [expected]

    run(test)


@pytest.mark.parametrize("at", range(0, 64, 9))
def test_refuses_a_session_with_a_flipped_bit_in_its_signature(tmp_path: Path, at: int) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            session, signature = session_record(node, DEVICES[0])
            opened = await node.gateway.open_sessions([(session, flipped(signature, at))])
            assert opened == [Reason.SIGNATURE_REFUSED]

    run(test)


@pytest.mark.parametrize(("later_ms", "fresh"), [(CHALLENGE_VALID_MS, True), (CHALLENGE_VALID_MS + 1, False)])
def test_a_nonce_is_good_for_a_minute(tmp_path: Path, later_ms: int, fresh: bool) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            record = session_record(node, DEVICES[0])
            node.network.clock.time_ms += later_ms
            [result] = await node.gateway.open_sessions([record])
            assert isinstance(result, bytes) is fresh

    run(test)


@pytest.mark.parametrize(("later_ms", "expected"), [(999, []), (1_000, [Reason.NO_SESSION])])
def test_a_session_ends_when_it_says(tmp_path: Path, later_ms: int, expected: list[Reason]) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            now_ms = node.network.clock.now_ms()
            token = await open_session(node, expires_at_ms=now_ms + 1_000)
            node.network.clock.time_ms += later_ms
            assert reasons(await node.gateway.take_commits(commits(token, range(1)))) == expected

    run(test)


def test_a_hotspot_that_opens_many_sessions_loses_its_own_oldest_ones_only(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            others = await open_session(node, DEVICES[1])
            tokens = [await open_session(node) for _ in range(MAX_SESSIONS_PER_HOTSPOT + 1)]
            now_ms = node.network.clock.now_ms()
            found = [node.sessions.hotspot_of(token, now_ms) is not None for token in [others, *tokens]]
            assert found == [True, False, *[True] * MAX_SESSIONS_PER_HOTSPOT]

    run(test)


def test_a_session_may_last_a_day(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            last_ms = node.network.clock.now_ms() + MAX_SESSION_MS
            assert len(await open_session(node, expires_at_ms=last_ms)) == 32

    run(test)


def test_sessions_end_oldest_first_when_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        monkeypatch.setattr("validator.sessions.MAX_SESSIONS", 2)
        async with one_validator(tmp_path) as node:
            tokens = [await open_session(node, device) for device in DEVICES]
            now_ms = node.network.clock.now_ms()
            assert [node.sessions.hotspot_of(token, now_ms) is not None for token in tokens] == [False, True, True]

    run(test)


def test_nothing_is_kept_of_a_session_that_has_ended(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            token = await open_session(node)
            assert node.sessions.hotspot_of(token, 2**47) is None
            assert (dict(node.sessions._open), node.sessions._tokens) == ({}, {})

    run(test)


def test_a_restart_forgets_sessions_and_keeps_rows(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            token = await open_session(node)
            await node.gateway.take_commits(commits(token, range(2)))
            await node.network.stop(1)
            await node.network.start(1)
            again = node.network.nodes[1]
            assert reasons(await again.gateway.take_commits(commits(token, range(1)))) == [Reason.NO_SESSION]
            assert len(again.inbox.epoch(1).rows[COMMITS]) == 2

    run(test)


# --- the chain ----------------------------------------------------------------------------------------------------


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


def registration(name: str, owner: str = "owner") -> tuple[Registration, bytes]:
    key = device_key(name)
    x, y = coordinates(key.public_key())
    record = Registration(x, y, sha256(owner.encode())[:20], north_of_ulm(3), 200, 10, 0)
    return record, sign_device(key, signed_bytes(REGISTRATION, NETWORK, record.encode()))


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


def test_everybody_together_has_a_number_of_registrations_a_day(tmp_path: Path) -> None:
    async def test() -> None:
        async with one_validator(tmp_path) as node:
            limits = replace(node.rules.params.relay, per_day=2)
            relay = Relay(node.network.chain, node.sender, limits, node.network.clock)  # type: ignore[arg-type]
            for number in range(2):
                relay.register(*registration(f"new {number}", f"owner {number}"), f"ipv4:10.0.0.{number}")
            with pytest.raises(RelayRefusedError, match="everybody today"):
                relay.register(*registration("one more", "owner 3"), "ipv4:10.0.0.3")

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
