"""Deliveries to validators over real gRPC, and over a clock moved by hand."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hotspot.clock import Clock, SystemClock
from hotspot.counters import Counters
from hotspot.keys.device import DeviceKey, KeyProblemError, software_key
from hotspot.reporting import history
from hotspot.reporting.courier import Courier, Pending
from hotspot.reporting.delivery import Fanout
from hotspot.reporting.outbox import KeepReport, Outbox, Store
from hotspot.reporting.receipts import SignedReceipt, batch_hash
from hotspot.reporting.reports import ACKNOWLEDGED, NEVER_TRIED, WINDOW_PASSED, Report, Step
from hotspot.reporting.sessions import Sessions
from hotspot.wire import CallFailed, Opened, Refused, Taken, ValidatorClient
from protocol.closing import Member
from protocol.encoding import report_id
from protocol.ids import HotspotId, ReportId, Role
from protocol.keys import Receipt, sign_quorum
from protocol.reasons import Reason
from protocol.records import REPORT, Witness
from tests.hotspot.clocks import ManualClock, settle, until
from tests.hotspot.fake_validator import DOMAIN, NETWORK, FakeValidator


def device(number: int = 1) -> DeviceKey:
    private = ec.derive_private_key(1_000 + number, ec.SECP256R1())
    return software_key(private)


DEVICES = {one.hotspot_id: one for one in (device(number) for number in range(4))}
FIRST = next(iter(DEVICES))


def witness_report(
    now_ms: int, hotspot: HotspotId = FIRST, commit_ms: int = 3_000, reveal_after_ms: int = 0, reveal_ms: int = 60_000
) -> Report:
    body = Witness(
        chain_id=NETWORK.chain_id, contract=NETWORK.hotspots, hotspot_id=hotspot, epoch=7,
        salt=secrets.token_bytes(16), tag=secrets.token_bytes(21), frequency_hz=868_100_000, spreading_factor=7,
        bandwidth_hz=125_000, rssi_cdb=-9_700, snr_cdb=520, received_at_ms=now_ms, tmst_us=1, fine_time_ns=0, cell=0,
    ).encode()  # fmt: skip
    return Report(
        id=report_id(body),
        hotspot_id=hotspot,
        epoch=7,
        role=Role.WITNESS,
        report=body,
        signature=DEVICES[hotspot].sign(REPORT, NETWORK, body),
        commit_until_ms=now_ms + commit_ms,
        reveal_after_ms=now_ms + reveal_after_ms,
        reveal_until_ms=now_ms + reveal_ms,
    )


class Post:
    """A fan-out with its outbox and couriers, running."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.clock = clock
        self.counters = Counters()
        self.outbox = Outbox(Store(path))
        self.fanout = Fanout(self.outbox, clock, lambda hotspot: self.counters)
        self.couriers: list[Courier] = []

    def connect(self, validator: Any, client: Any, longest_backoff_ms: int = 400) -> None:
        counters = Counters()
        sessions = Sessions(validator.owner, client, DEVICES, NETWORK, self.clock, counters)
        self.couriers.append(
            Courier(
                validator.owner, validator.address, client, sessions, DOMAIN, self.clock, counters,
                self.fanout.settle, longest_backoff_ms,
            )
        )  # fmt: skip
        self.fanout.use(self.couriers)

    async def send(self, *reports: Report) -> None:
        await self.outbox.write(*(KeepReport(one) for one in reports))
        for one in reports:
            self.fanout.add(one)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Post]:
        jobs = [self.outbox.run(), self.fanout.sweep(), *(courier.run(list(DEVICES)) for courier in self.couriers)]
        tasks = [asyncio.ensure_future(job) for job in jobs]
        try:
            yield self
        finally:
            for task in reversed(tasks):
                task.cancel()
            await asyncio.wait(tasks)

    def outcomes(self, path: Path) -> dict[tuple[bytes, Step], str]:
        store = Store(path)
        rows = store._db.execute("SELECT validator, step, outcome FROM delivery").fetchall()
        store.close()
        return {(row[0], Step(row[1])): row[2] for row in rows}


@asynccontextmanager
async def over_grpc(
    path: Path, count: int, known: Iterable[HotspotId]
) -> AsyncIterator[tuple[Post, list[FakeValidator]]]:
    keys = [DEVICES[one].public for one in known]
    async with AsyncExitStack() as stack:
        validators = [await stack.enter_async_context(FakeValidator(f"v{at}", keys)) for at in range(count)]
        post = Post(path, SystemClock())
        for validator in validators:
            client = ValidatorClient(validator.endpoint)
            stack.push_async_callback(client.close)
            post.connect(validator, client)
        await stack.enter_async_context(post.running())
        yield post, validators


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


def scene(
    run: Callable[[Post, list[FakeValidator]], Any], path: Path, count: int = 4, known: Iterable[HotspotId] = DEVICES
) -> Post:
    async def act() -> Post:
        async with over_grpc(path, count, known) as (post, validators):
            await run(post, validators)
            return post

    return asyncio.run(act())


class AheadClock(SystemClock):
    """Five seconds fast."""

    def now_ms(self) -> int:
        return super().now_ms() + 5_000


def test_a_receipt_with_a_false_time_says_nothing_of_the_clock(path: Path) -> None:
    async def run(post: Post, validators: list[FakeValidator]) -> None:
        for courier in post.couriers:
            courier._clock = courier._sessions._clock = AheadClock()
        validators[0].bend = lambda receipt: setattr(receipt, "stored_at_ms", post.clock.now_ms() + 60_000)
        await post.send(witness_report(post.clock.now_ms()))
        await until(lambda: all(one.counters.of("receipts", "good") for one in post.couriers[1:]))
        await until(lambda: post.couriers[0].counters.of("receipts", "receipt_signature_wrong"))
        assert all(-5_500 < (one.clock_offset_ms or 0) < -4_500 for one in post.couriers)

    scene(run, path)


def test_commits_at_once_and_reveals_not_before_its_time(path: Path) -> None:
    async def run(post: Post, validators: list[FakeValidator]) -> None:
        report = witness_report(post.clock.now_ms(), reveal_after_ms=600)
        await post.send(report)
        await until(lambda: all(one.commits for one in validators))
        assert post.clock.now_ms() < report.reveal_after_ms
        assert all(not one.reports for one in validators)
        await until(lambda: all(report.id in one.reports for one in validators))
        assert post.clock.now_ms() >= report.reveal_after_ms
        await until(lambda: post.fanout.waiting == 0)
        assert post.counters.snapshot() == {
            "commits": {ACKNOWLEDGED: 4}, "reveals": {ACKNOWLEDGED: 4}, "reports": {"revealed": 1}
        }  # fmt: skip

    scene(run, path)


def test_a_report_arrives_as_it_was_stored(path: Path) -> None:
    async def run(post: Post, validators: list[FakeValidator]) -> None:
        report = witness_report(post.clock.now_ms())
        await post.send(report)
        await until(lambda: validators[0].reports)
        assert validators[0].reports == {report.id: (report.report, report.signature)}
        assert validators[0].commits[0].hotspot_id == FIRST

    scene(run, path, count=1)


def test_many_reports_of_many_hotspots_share_calls(path: Path) -> None:
    async def run(post: Post, validators: list[FakeValidator]) -> None:
        hotspots = list(DEVICES)
        now_ms = post.clock.now_ms()
        await post.send(*(witness_report(now_ms, hotspots[at % 4], commit_ms=9_000) for at in range(300)))
        await until(lambda: len(validators[0].commits) == 300 and len(validators[0].reports) == 300)
        assert max(validators[0].commit_calls) == 256
        assert len(validators[0].commit_calls) <= 4

    scene(run, path, count=1)


def test_a_validator_that_is_down_gets_its_reveals_when_it_returns(path: Path) -> None:
    async def run(post: Post, validators: list[FakeValidator]) -> None:
        validators[2].down = True
        report = witness_report(post.clock.now_ms(), commit_ms=400)
        await post.send(report)
        await until(lambda: all(report.id in one.reports for one in validators if not one.down))
        await until(lambda: (validators[2].owner, Step.COMMIT) in post.fanout._pending[report.id].outcomes)
        validators[2].down = False
        await until(lambda: report.id in validators[2].reports)
        await until(lambda: post.fanout.waiting == 0)

    post = scene(run, path)
    outcomes = post.outcomes(path)
    assert sorted(outcomes.values()) == [ACKNOWLEDGED] * 7 + [WINDOW_PASSED]


def flip_signature(receipt: Any) -> None:
    receipt.signature = bytes([receipt.signature[0] ^ 1]) + receipt.signature[1:]


def test_a_receipt_with_one_flipped_bit_is_refused_and_named(path: Path) -> None:
    async def run(post: Post, validators: list[FakeValidator]) -> None:
        validators[0].bend = flip_signature
        await post.send(witness_report(post.clock.now_ms(), commit_ms=300, reveal_ms=900))
        await until(lambda: post.fanout.waiting == 0)
        assert post.couriers[0].counters.of("receipts", "receipt_signature_wrong") >= 2
        assert post.couriers[0].counters.of("receipts", "good") == 0
        assert post.counters.snapshot()["reports"] == {"reveal_window_passed": 1}

    scene(run, path, count=1)


def test_a_batch_with_a_bad_receipt_is_sent_again(path: Path) -> None:
    async def run(post: Post, validators: list[FakeValidator]) -> None:
        validators[0].bend = flip_signature
        report = witness_report(post.clock.now_ms())
        await post.send(report)
        await until(lambda: post.couriers[0].counters.of("receipts", "receipt_signature_wrong"))
        validators[0].bend = lambda receipt: None
        await until(lambda: post.fanout.waiting == 0)
        assert post.counters.snapshot()["reports"] == {"revealed": 1}

    scene(run, path, count=1)


def test_opens_a_session_again_after_the_validator_forgot_it(path: Path) -> None:
    async def run(post: Post, validators: list[FakeValidator]) -> None:
        await until(lambda: validators[0].sessions_opened == len(DEVICES))
        validators[0].forget_sessions()
        await post.send(witness_report(post.clock.now_ms()))
        await until(lambda: validators[0].commits)
        assert validators[0].sessions_opened == len(DEVICES) + 1

    scene(run, path, count=1)


def test_a_refusal_is_recorded_by_its_name_and_not_repeated(path: Path) -> None:
    async def run(post: Post, validators: list[FakeValidator]) -> None:
        validators[0].refuse = lambda step, index: Reason.QUOTA if index == 0 else None
        await post.send(*(witness_report(post.clock.now_ms()) for _ in range(2)))
        await until(lambda: post.fanout.waiting == 0)
        assert post.counters.snapshot()["reports"] == {"revealed": 1, "reveal_refused": 1}
        assert post.counters.of("reveals", "QUOTA") == 1
        assert [len(call) for call in validators[0].report_calls] == [2]

    scene(run, path, count=1)


def test_an_unregistered_hotspot_does_not_hold_up_the_others(path: Path) -> None:
    async def run(post: Post, validators: list[FakeValidator]) -> None:
        other = list(DEVICES)[1]
        now_ms = post.clock.now_ms()
        await post.send(witness_report(now_ms, commit_ms=500, reveal_ms=900), witness_report(now_ms, other))
        await until(lambda: [one.hotspot_id for one in validators[0].commits] == [other])
        await until(lambda: post.fanout.waiting == 0)
        assert post.counters.snapshot()["reports"] == {"reveal_window_passed": 1, "revealed": 1}
        assert post.couriers[0].counters.of("sessions", "NOT_REGISTERED") >= 1

    scene(run, path, count=1, known=list(DEVICES)[1:])


def test_after_a_restart_only_what_is_missing_is_sent_again_with_the_same_bytes(path: Path) -> None:
    report_box: list[Report] = []

    async def before(post: Post, validators: list[FakeValidator]) -> None:
        validators[1].down = True
        report = witness_report(post.clock.now_ms())
        report_box.append(report)
        await post.send(report)
        await until(lambda: post.fanout._pending[report.id].outcomes.get((validators[0].owner, Step.REVEAL)))

    async def after(post: Post, validators: list[FakeValidator]) -> None:
        reports = post.outbox.store.open_reports()
        assert reports == report_box
        post.fanout.restore(reports, post.outbox.store.deliveries(reports))
        await until(lambda: post.fanout.waiting == 0)
        assert validators[0].report_calls == []
        assert validators[1].reports == {report_box[0].id: (report_box[0].report, report_box[0].signature)}

    scene(before, path, count=2)
    scene(after, path, count=2)


# --- a clock moved by hand ------------------------------------------------------------------------------------


class MemoryValidator(FakeValidator):
    """The same decisions without gRPC, as the client a courier has."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.committed: list[ReportId] = []
        self.revealed: list[ReportId] = []
        self.refuses_sessions = False
        self.calls = 0

    async def challenge(self) -> bytes | CallFailed:
        return self._failed() or bytes(32)

    async def open_sessions(self, signed: Sequence[tuple[bytes, bytes]]) -> list[Opened | Refused] | CallFailed:
        session = Refused("NOT_REGISTERED", "") if self.refuses_sessions else Opened(bytes(32), 2**47)
        return self._failed() or [session for _ in signed]

    async def submit_commits(self, commits: Sequence[tuple[bytes, int, ReportId]]) -> Taken | CallFailed:
        return self._failed() or self._store(self.committed, [id_ for _, _, id_ in commits])

    async def submit_reports(self, reports: Sequence[tuple[bytes, bytes]]) -> Taken | CallFailed:
        return self._failed() or self._store(self.revealed, [report_id(report) for report, _ in reports])

    def _failed(self) -> CallFailed | None:
        self.calls += 1
        return CallFailed("UNAVAILABLE", "down") if self.down else None

    def _store(self, where: list[ReportId], ids: list[ReportId]) -> Taken:
        where += ids
        body = Receipt(batch_hash(ids), len(ids), 1)
        signature = sign_quorum(self.key, DOMAIN.digest(body))
        return Taken({}, SignedReceipt(self.owner, body.batch_hash, body.entries, body.stored_at_ms, signature))


@asynccontextmanager
async def by_hand(
    path: Path, count: int = 1, backoff_ms: int = 10_000
) -> AsyncIterator[tuple[Post, list[MemoryValidator]]]:
    post, validators = Post(path, ManualClock()), [MemoryValidator(f"m{at}") for at in range(count)]
    for validator in validators:
        post.connect(validator, validator, backoff_ms)
    async with post.running():
        yield post, validators


async def advance(post: Post, duration_ms: int) -> None:
    assert isinstance(post.clock, ManualClock)
    await post.clock.advance(duration_ms)


def test_validators_down_for_an_hour_cost_what_was_due_and_nothing_later(path: Path) -> None:
    async def act() -> None:
        async with by_hand(path) as (post, (validator,)):
            validator.down = True
            lost = witness_report(post.clock.now_ms(), commit_ms=20_000, reveal_ms=1_800_000)
            kept = witness_report(post.clock.now_ms(), commit_ms=20_000, reveal_ms=7_200_000)
            await post.send(lost, kept)
            await advance(post, 3_600_000)
            assert post.counters.snapshot()["commits"] == {WINDOW_PASSED: 2}
            assert post.counters.snapshot()["reports"] == {"reveal_window_passed": 1}
            assert 300 < validator.calls < 3_600
            validator.down = False
            fresh = witness_report(post.clock.now_ms(), commit_ms=20_000)
            await post.send(fresh)
            await advance(post, 20_000)
            assert validator.committed == [fresh.id]
            assert sorted(validator.revealed) == sorted([kept.id, fresh.id])
            await post.outbox.write()
            tallies = post.outbox.store.tallies(FIRST)
            assert tallies["reveal_window_passed"] == 1
            assert tallies["commit_window_passed"] == 2

    asyncio.run(act())


@pytest.mark.parametrize("seed", range(5))
def test_the_first_report_after_an_hour_without_validators_is_delivered_to_all_in_time(path: Path, seed: int) -> None:
    async def act() -> None:
        random.seed(seed)
        async with by_hand(path, count=4) as (post, validators):
            for one in validators:
                one.down = True
            old = []
            for _ in range(12):
                old.append(witness_report(post.clock.now_ms(), commit_ms=20_000, reveal_after_ms=25_000))
                await post.send(old[-1])
                await advance(post, 300_000 + random.randrange(1_000))
            for one in validators:
                one.down = False
            fresh = witness_report(post.clock.now_ms(), commit_ms=20_000, reveal_after_ms=25_000)
            await post.send(fresh)
            await advance(post, 20_000)
            assert [one.committed for one in validators] == [[fresh.id]] * 4
            await advance(post, 40_000)
            assert [one.revealed for one in validators] == [[fresh.id]] * 4
            await post.outbox.write()
            assert post.outbox.store.open_reports() == []
        with history.opened(path) as found:
            fates = {fate.report_id: fate for fate in found.fates()}
        assert fates.pop(fresh.id).outcome == "revealed"
        assert sorted(fates) == sorted(one.id for one in old)
        for fate in fates.values():
            assert fate.outcome == "reveal_window_passed"
            assert {(one.outcome, one.why) for one in fate.offered} == {(WINDOW_PASSED, "UNAVAILABLE")}
            assert len(fate.offered) == 8

    asyncio.run(act())


def test_a_key_that_cannot_sign_is_what_hindered_the_commit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> bytes:
        raise KeyProblemError("The token is away.")

    async def act() -> None:
        async with by_hand(path) as (post, (validator,)):
            report = witness_report(post.clock.now_ms(), commit_ms=5_000)
            monkeypatch.setattr(DeviceKey, "sign", away)
            await post.send(report)
            await advance(post, 30_000)
            await post.outbox.write()
            whys = {(one.step, one.why) for one in post.outbox.store.deliveries([report])}
            assert (Step.COMMIT, "KEY_UNAVAILABLE") in whys
            assert validator.committed == []

    asyncio.run(act())


def test_a_reveal_that_overtakes_its_commit_does_not_make_the_commit_late(path: Path) -> None:
    async def act() -> None:
        async with by_hand(path) as (post, (validator,)):
            report = witness_report(post.clock.now_ms(), commit_ms=20_000)
            await post.outbox.write(KeepReport(report))
            pending = Pending(report)
            post.fanout._take_on(pending)
            post.fanout.settle(pending, validator.owner, Step.REVEAL, ACKNOWLEDGED)
            assert post.fanout.waiting == 1
            await advance(post, 1_000)
            assert validator.committed == [report.id]
            assert post.fanout.waiting == 0
            await post.outbox.write()
            assert "commit_window_passed" not in post.outbox.store.tallies(FIRST)

    asyncio.run(act())


@pytest.mark.parametrize(
    ("hinder", "why"),
    [
        (lambda one: setattr(one, "down", True), "UNAVAILABLE"),
        (lambda one: setattr(one, "key", MemoryValidator("another").key), "receipt_signature_wrong"),
        (lambda one: setattr(one, "refuses_sessions", True), "NOT_REGISTERED"),
    ],
)
def test_what_expired_is_recorded_with_what_hindered_it(path: Path, hinder: Callable[[Any], None], why: str) -> None:
    async def act() -> None:
        async with by_hand(path) as (post, (validator,)):
            hinder(validator)
            report = witness_report(post.clock.now_ms(), commit_ms=5_000)
            await post.send(report)
            await advance(post, 30_000)
            await post.outbox.write()  # what was noted goes with it
            notes = post.outbox.store.deliveries([report])
            assert [(one.outcome, one.why) for one in notes if one.step is Step.COMMIT] == [(WINDOW_PASSED, why)]

    asyncio.run(act())


def test_what_expired_while_the_hotspot_was_off_was_never_tried(path: Path) -> None:
    async def act() -> None:
        async with by_hand(path) as (post, _):
            report = witness_report(post.clock.now_ms() - 3_600_000, reveal_ms=60_000)
            await post.outbox.write(KeepReport(report))
            post.fanout.restore([report], [])
            await advance(post, 2_000)
            await post.outbox.write()  # what was noted goes with it
            notes = post.outbox.store.deliveries([report])
            assert {(one.step, one.outcome, one.why) for one in notes} == {
                (step, WINDOW_PASSED, NEVER_TRIED) for step in Step
            }
            assert post.outbox.store.open_reports() == []

    asyncio.run(act())


def test_a_commit_waits_50_ms_for_company(path: Path) -> None:
    async def act() -> None:
        async with by_hand(path) as (post, (validator,)):
            await post.send(witness_report(post.clock.now_ms()))
            await advance(post, 30)
            assert validator.committed == []
            await post.send(witness_report(post.clock.now_ms()))
            await advance(post, 20)
            assert len(validator.committed) == 2

    asyncio.run(act())


@pytest.mark.parametrize(("stakes", "outcome"), [([34, 33, 33], "revealed"), ([33, 33, 34], "reveal_window_passed")])
def test_a_reveal_is_done_by_more_than_a_third_of_stake(path: Path, stakes: list[int], outcome: str) -> None:
    async def act() -> None:
        async with by_hand(path, count=3) as (post, validators):
            members = [Member(one.owner, one.address, stake) for one, stake in zip(validators, stakes, strict=True)]
            post.fanout.set_members(members)
            validators[1].down = validators[2].down = True
            await post.send(witness_report(post.clock.now_ms(), reveal_ms=30_000))
            await advance(post, 60_000)
            assert post.counters.snapshot()["reports"] == {outcome: 1}

    asyncio.run(act())


def test_a_key_replaced_on_chain_is_the_one_receipts_must_carry(path: Path) -> None:
    async def act() -> None:
        async with by_hand(path) as (post, (validator,)):
            other = MemoryValidator("another")
            post.fanout.set_members([Member(validator.owner, other.address, 1)])
            await post.send(witness_report(post.clock.now_ms(), reveal_ms=5_000))
            await advance(post, 1_000)
            assert post.couriers[0].counters.of("receipts", "good") == 0
            validator.key = other.key
            await advance(post, 10_000)
            assert post.counters.snapshot()["reports"] == {"revealed": 1}

    asyncio.run(act())


def test_what_is_settled_is_settled_once(path: Path) -> None:
    async def act() -> None:
        async with by_hand(path) as (post, (validator,)):
            report = witness_report(post.clock.now_ms())
            await post.send(report)
            pending = post.fanout._pending[report.id]
            post.fanout.settle(pending, validator.owner, Step.COMMIT, "QUOTA")
            post.fanout.settle(pending, validator.owner, Step.COMMIT, ACKNOWLEDGED)
            await settle()
            assert post.counters.snapshot()["commits"] == {"QUOTA": 1}

    asyncio.run(act())
