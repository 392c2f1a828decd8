"""Carries out what the epoch machine asks for: seals, exchanges, posts, settles, signs, submits. Every step may repeat.

Nothing here decides anything an auditor would have to know; that is in protocol/.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from chain.calls import Call, post_manifest, submit_root
from chain.errors import ChainError, ChainUnavailable
from chain.events import RootSubmitted
from chain.folds import ValidatorSet
from chain.sender import Sender
from protocol.closing import Closing
from protocol.encoding import U64, sha256
from protocol.epoch import EpochResult
from protocol.ids import Address
from protocol.keys import Available, EpochRoot, recover_quorum
from protocol.limits import CLOSING_EPOCHS
from protocol.quorum import is_quorum, stake_of
from protocol.verdicts import Engine
from validator.assembly import Before, BrokenEvidenceError, NotYetError, adopt, after, compute, restore
from validator.chain_view import ChainView
from validator.clock import Clock
from validator.epoch_files import EpochFiles, EpochRecord
from validator.epoch_machine import Act, EpochView, next_acts
from validator.inbox import Inbox
from validator.peers import Peer, RootSignature
from validator.pruning import prune
from validator.rewind import decided_by, first_undone, forget_from, state_before
from validator.rules import NetworkRules
from validator.seal import seal
from validator.signer import EquivocationError, Signer
from validator.sources import BlobSource
from validator.verdicts import KEPT_EPOCHS as KEPT_VERDICTS
from validator.verdicts import VerdictDesk

TRANSACTION_TIMEOUT_S = 60
SUBMIT_STAGGER_MS = 2_000
RETRY_POST_MS = 10_000
RETRY_STEP_MS = 1_000
KEPT_WORK = 16
"""Work of this many settled epochs is kept, and besides only that of open ones: a handful, so memory is bounded."""
MAX_SETTLED_AT_ONCE = 64
log = structlog.get_logger()


@dataclass(slots=True)
class Work:
    """What is going on for one epoch in this process; lost on a restart, and gathered again."""

    manifest_hash: bytes = b""
    available: dict[Address, bytes] = field(default_factory=dict)
    silent: dict[Address, str] = field(default_factory=dict)
    posted_at_ms: int = 0
    own_root: RootSignature | None = None
    roots: dict[Address, bytes] = field(default_factory=dict)
    quorum_at_ms: int = 0
    submitted_at_ms: int = 0
    running: set[Act] = field(default_factory=set)
    asking: set[tuple[Act, Address]] = field(default_factory=set)
    """Peers that have not answered yet, each asked once at a time."""
    ask_again_ms: dict[tuple[Act, Address], int] = field(default_factory=dict)
    not_before_ms: dict[Act, int] = field(default_factory=dict)
    """When a step that failed may be tried again."""
    said: dict[Act, str] = field(default_factory=dict)
    """Why each step failed last: said once, not at every tick."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything the runtime works with."""

    owner: Address
    chain: ChainView
    rules: NetworkRules
    inbox: Inbox
    files: EpochFiles
    source: BlobSource
    signer: Signer
    sender: Sender
    peers: Sequence[Peer]
    engine: Engine
    desk: VerdictDesk
    clock: Clock


class Runtime:
    """The epochs of one validator, from sealing to a root on chain."""

    def __init__(self, parts: Parts) -> None:
        self._p = parts
        self._work: dict[int, Work] = {}
        self._before: Before | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._settling = asyncio.Lock()
        self._tick_fails, self._ticks_failed = "", 0
        """Why the last ticks failed, and how many in a row: said when the reason changes, not at every tick."""
        self._losses_seen = -1  # after a start nobody knows what the chain lost meanwhile

    # --- where we stand ---------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Takes up the newest state: this machine's, or the one under the newest root when that is another.

        NotYetError if nobody has that state.
        """
        record, root = self._p.files.last_settled(), self._p.chain.last_root()
        if record is not None and (root is None or self._agrees(root)):
            state = await self._p.source.get(bytes.fromhex(record.state))
            self._before = None if state is None else await restore(state, self._p.rules, self._p.source)
        if self._before is None:
            epoch = root.epoch + 1 if root else 1
            self._before = await adopt(self._p.chain, self._p.rules, self._p.source, epoch)
            for need_map in (self._before.need_now, self._before.need_next):
                await asyncio.to_thread(self._p.source.store.put, need_map.encode())
            await asyncio.to_thread(self._p.source.store.put, self._before.state.encode())
        await self._recall_verdicts()
        log.info("state_taken_up", epoch=self._before.state.epoch)

    def _agrees(self, root: RootSubmitted) -> bool:
        """True if this machine settled the root's epoch, and as > 2/3 of stake did."""
        own = self._p.files.get(root.epoch).summary
        if own and own != root.data_hash.hex():
            log.warning("settled_otherwise", epoch=root.epoch, own=own[:16], on_chain=root.data_hash.hex()[:16])
        return own == root.data_hash.hex()

    async def _recall_verdicts(self) -> None:
        """Final verdicts of the last epochs are known again after a restart."""
        newest = self.settled_epoch()
        for epoch in range(max(newest - KEPT_VERDICTS + 1, 1), newest + 1):
            digest = self._p.files.get(epoch).outcomes
            table = await self._p.source.get(bytes.fromhex(digest)) if digest else None
            if table is not None:
                await self._p.desk.settled(epoch, table)

    @property
    def before(self) -> Before:
        assert self._before is not None, "start() comes first"
        return self._before

    def settled_epoch(self) -> int:
        return self.before.state.epoch

    def root_signature(self, epoch: int, set_id: int) -> RootSignature | None:
        """Our signature under an epoch's root, for peers that ask."""
        work = self._work.get(epoch)
        own = work.own_root if work else None
        return own if own is not None and own.root.set_id == set_id else None

    def waiting(self) -> str:
        """A sentence while the oldest open epoch waits for somebody; else empty."""
        epoch = self.settled_epoch() + 1
        due_ms = self._p.chain.end_ms(epoch) + self._p.chain.params.epoch.close_after_ms
        closing = self._p.chain.closing(epoch)
        if closing is None or not closing.missing or self._p.clock.now_ms() < due_ms:
            return ""
        missing = self._missing(epoch, closing)
        return f"Epoch {epoch} waits for the manifests of validators that hold > 2/3 of stake; missing: {missing}."

    def _missing(self, epoch: int, closing: Closing) -> str:
        """Who has not answered, or, if all have, whose manifest is not on chain."""
        silent = self._work.get(epoch, Work()).silent
        names = {peer.owner: peer.name for peer in self._p.peers} | {self._p.owner: "this validator itself"}
        absent = [names[owner] for owner in closing.missing if owner in silent and owner in names]
        return ", ".join(absent or [names.get(owner, f"0x{owner.hex()}") for owner in closing.missing])

    # --- the tick ---------------------------------------------------------------------------------------------------

    async def tick(self) -> None:
        """Starts whatever is due and not running yet; what the chain or the disk refuses is tried at the next tick."""
        try:
            await self._launch_due()
        except ChainUnavailable as error:
            self._tick_failed("chain_silent", error)
        except OSError as error:
            self._tick_failed("disk_fails", error)
        except NotYetError as error:
            self._tick_failed("state_waits", error)
        else:
            if self._ticks_failed:
                log.info("ticks_go_on", failed=self._ticks_failed)
            self._tick_fails, self._ticks_failed = "", 0

    def _tick_failed(self, event: str, error: Exception) -> None:
        self._ticks_failed += 1
        if event != self._tick_fails:
            log.warning(event, why=str(error))
        self._tick_fails = event

    async def _launch_due(self) -> None:
        await self._settle_again_what_was_lost()
        now_ms = self._p.clock.now_ms()
        newest = self._p.chain.epoch_at(now_ms)
        first = self.settled_epoch() + 1
        open_epochs = self._open_epochs(first, newest)
        for epoch in open_epochs:
            for act in next_acts(await asyncio.to_thread(self._view, epoch), now_ms):
                self._launch(epoch, act)
        self._forget_work(first - KEPT_WORK, {*open_epochs})
        await self._p.inbox.forget_before(min(first, newest - CLOSING_EPOCHS))

    def _forget_work(self, before: int, open_epochs: set[int]) -> None:
        """Forgets old epochs, but none that is open: the signatures under a late root are gathered over many ticks."""
        for epoch in [one for one in self._work if one < before and one not in open_epochs]:
            del self._work[epoch]

    async def _settle_again_what_was_lost(self) -> None:
        """Goes back to before the first epoch that a chain without its last blocks decides otherwise."""
        losses = self._p.chain.losses
        if losses == self._losses_seen:
            return
        async with self._settling:
            settled = self.settled_epoch()
            first = await asyncio.to_thread(first_undone, self._p.chain, self._p.files, settled)
            if first is not None:
                log.warning("chain_lost_final_blocks", settled_again_from=first)
                before = await state_before(self._p.chain, self._p.rules, self._p.source, self._p.files, first)
                await forget_from(self._p.files, first, settled)
                self._before = before
                for epoch in range(first, settled + 1):
                    self._work.pop(epoch, None)
        self._losses_seen = losses

    def _open_epochs(self, first: int, newest: int) -> list[int]:
        """Epochs with something to do: the next to settle, the last one whose root pays, and the newest few."""
        earning = self._p.files.last_earning()
        recent = range(max(first - CLOSING_EPOCHS, newest - CLOSING_EPOCHS, 1), newest + 1)
        return sorted({first, *recent, *([earning.epoch] if earning else [])})

    def _view(self, epoch: int) -> EpochView:
        chain, work, record = self._p.chain, self._of(epoch), self._p.files.get(epoch)
        members, closing = chain.validators(epoch), chain.closing(epoch)
        last_root, current, own = chain.last_root(), chain.current_set(), work.own_root
        return EpochView(
            seal_at_ms=chain.end_ms(epoch) + chain.params.epoch.seal_after_ms,
            member=members is not None and self._p.owner in members.stakes,
            sealed=bool(work.manifest_hash),
            available=members is not None and _holds_quorum({*work.available, self._p.owner}, members.stakes),
            posted=self._is_posted(epoch, work),
            closed=closing is not None and closing.closed,
            settled_before=self.settled_epoch() == epoch - 1,
            settled=self.settled_epoch() >= epoch,
            empty=record.empty,
            signed=own is not None and own.root.set_id == current.set_id,
            root_quorum=_holds_quorum(work.roots, current.stakes),
            root_on_chain=not record.root or (last_root is not None and last_root.epoch >= epoch),
        )

    def _is_posted(self, epoch: int, work: Work) -> bool:
        on_chain = any(post.validator == self._p.owner for post in self._p.chain.posts(epoch))
        return on_chain or self._p.clock.now_ms() < work.posted_at_ms + RETRY_POST_MS

    def _of(self, epoch: int) -> Work:
        return self._work.setdefault(epoch, Work())

    def _launch(self, epoch: int, act: Act) -> None:
        work = self._of(epoch)
        if act not in work.running and self._p.clock.now_ms() >= work.not_before_ms.get(act, 0):
            work.running.add(act)
            self._spawn(self._perform(epoch, act, work))

    def _spawn(self, step: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("step_crashed", exc_info=task.exception())

    async def _perform(self, epoch: int, act: Act, work: Work) -> None:
        steps: dict[Act, Callable[[int, Work], Awaitable[None]]] = {
            Act.SEAL: self._seal,
            Act.COLLECT: self._collect,
            Act.POST: self._post,
            Act.SETTLE: self._settle,
            Act.SIGN: self._sign,
            Act.GATHER: self._gather,
            Act.SUBMIT: self._submit,
        }
        work.not_before_ms[act] = self._p.clock.now_ms() + RETRY_STEP_MS
        try:
            await steps[act](epoch, work)
            work.not_before_ms.pop(act)
            work.said.pop(act, None)
        except NotYetError as error:
            self._say(log.info, "epoch_waits", epoch, act, str(error))
        except (ChainError, OSError) as error:
            self._say(log.warning, "step_failed", epoch, act, str(error))
        except (BrokenEvidenceError, EquivocationError) as error:
            self._say(log.error, "step_impossible", epoch, act, str(error))
        finally:
            work.running.discard(act)

    def _say(self, log_line: Callable[..., None], event: str, epoch: int, act: Act, why: str) -> None:
        said = self._of(epoch).said
        if said.get(act) != why:
            log_line(event, epoch=epoch, act=act.name, why=why)
        said[act] = why

    def _ask(self, work: Work, act: Act, peers: Iterable[Peer], ask: Callable[[Peer], Awaitable[None]]) -> None:
        """Asks peers, each in a task of its own and once a second: one that hangs holds up nobody."""
        now_ms = self._p.clock.now_ms()
        for peer in peers:
            key = (act, peer.owner)
            if key not in work.asking and now_ms >= work.ask_again_ms.get(key, 0):
                work.asking.add(key)
                work.ask_again_ms[key] = now_ms + RETRY_STEP_MS
                self._spawn(self._asked(work, act, peer, ask))

    async def _asked(self, work: Work, act: Act, peer: Peer, ask: Callable[[Peer], Awaitable[None]]) -> None:
        try:
            await ask(peer)
        finally:
            work.asking.discard((act, peer.owner))

    async def stop(self) -> None:
        """Ends what is running; every step is taken up again after a restart."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- evidence -----------------------------------------------------------------------------------------------------

    async def _seal(self, epoch: int, work: Work) -> None:
        known = self._p.files.get(epoch).manifest
        if not known:
            known = (await self._make_manifest(epoch)).hex()
            await asyncio.to_thread(self._p.files.update, epoch, manifest=known)
        else:
            await self._p.inbox.seal(epoch)
        work.manifest_hash = bytes.fromhex(known)
        log.info("epoch_sealed", epoch=epoch, manifest=known[:16])

    async def _make_manifest(self, epoch: int) -> bytes:
        inbox = await self._p.inbox.seal(epoch)
        registry = await asyncio.to_thread(self._p.chain.registry, epoch)
        if registry is None:
            raise NotYetError(f"the registry of epoch {epoch} is not known")
        manifest, segments = await asyncio.to_thread(seal, inbox, self._p.chain.network, epoch, self._p.owner, registry)
        for blob in [*segments, manifest.encode()]:
            await asyncio.to_thread(self._p.source.store.put, blob)
        return manifest.digest()

    async def _collect(self, epoch: int, work: Work) -> None:
        """Asks every peer that has not signed yet; its silence is remembered by name."""
        own = await asyncio.to_thread(self._p.signer.manifest, epoch, work.manifest_hash)
        members = await asyncio.to_thread(self._p.chain.validators, epoch)
        assert members is not None, "the machine asks members only"
        digest = self._p.chain.domain.digest(Available(epoch, self._p.owner, work.manifest_hash))

        async def ask(peer: Peer) -> None:
            answer = await peer.announce(epoch, self._p.owner, work.manifest_hash, own)
            if isinstance(answer, bytes) and _is_signed_by(peer.owner, members, digest, answer):
                work.available[peer.owner] = answer
                work.silent.pop(peer.owner, None)
            else:
                wrong = f"{peer.name} gives a signature that is not its own"
                work.silent[peer.owner] = answer if isinstance(answer, str) else wrong

        self._ask(work, Act.COLLECT, [peer for peer in self._p.peers if peer.owner not in work.available], ask)

    async def _post(self, epoch: int, work: Work) -> None:
        own = await asyncio.to_thread(self._p.signer.manifest, epoch, work.manifest_hash)
        signatures = [own, *(work.available[owner] for owner in sorted(work.available))]
        call = post_manifest(self._p.chain.reader.network, epoch, work.manifest_hash, signatures)
        work.posted_at_ms = self._p.clock.now_ms()
        await self._send(call)
        log.info("manifest_posted", epoch=epoch, signatures=len(signatures))

    # --- settlement ---------------------------------------------------------------------------------------------------

    async def _settle(self, epoch: int, work: Work) -> None:
        """Settles the epoch, and at once those after it that nobody can add anything to any more."""
        del work
        async with self._settling:
            for one in range(epoch, epoch + MAX_SETTLED_AT_ONCE):
                if self.settled_epoch() == one - 1:
                    await self._settle_one(one)
                closing = await asyncio.to_thread(self._p.chain.closing, one + 1)
                if closing is None or not closing.expired:
                    return

    async def _settle_one(self, epoch: int) -> None:
        before = self.before
        # Asked first: should the chain lose blocks meanwhile, the record says what the result was made from.
        decided = await asyncio.to_thread(decided_by, self._p.chain, epoch)
        result = await compute(self._p.chain, self._p.rules, self._p.source, before, self._p.engine)
        record = await asyncio.to_thread(self._write_down, result, decided)
        self._before = after(result, before)
        await self._p.desk.settled(epoch, result.outcome_table)
        log.info("epoch_settled", epoch=epoch, root=record.root[:16], data_hash=record.summary[:16], empty=record.empty)

    def _write_down(self, result: EpochResult, decided: str) -> EpochRecord:
        """Stores an epoch's public tables, then their hashes."""
        put = self._p.source.store.put
        record = self._p.files.update(
            result.epoch,
            summary=put(result.summary).hex(),
            state=put(result.state.encode()).hex(),
            outcomes=put(result.outcome_table).hex(),
            need_map=put(result.need_map.encode()).hex(),
            root=result.tree.root.hex(),
            cumulative=str(result.state.cumulative_total),
            empty=not result.state.non_empty & 1,
            decided_by=decided,
        )
        prune(self._p.files, self._p.source.store, result.epoch, self._p.chain.rooted_epochs())
        return record

    async def _sign(self, epoch: int, work: Work) -> None:
        """Signs the root for the set in force; signatures for another set count no more."""
        record, members = self._p.files.get(epoch), await asyncio.to_thread(self._p.chain.current_set)
        root = EpochRoot(
            epoch, members.set_id, bytes.fromhex(record.root), bytes.fromhex(record.summary), int(record.cumulative)
        )
        signature = await asyncio.to_thread(self._p.signer.root, root)
        work.own_root, work.roots, work.quorum_at_ms = RootSignature(root, signature), {self._p.owner: signature}, 0

    async def _gather(self, epoch: int, work: Work) -> None:
        """Asks peers for their signatures; one under another root is said aloud and not counted."""
        assert work.own_root is not None, "the machine signs first"
        root = work.own_root.root
        members, digest = await asyncio.to_thread(self._p.chain.current_set), self._p.chain.domain.digest(root)

        async def ask(peer: Peer) -> None:
            answer = await peer.root_signature(epoch, root.set_id)
            if answer is None or work.own_root is None or work.own_root.root != root:
                return
            if answer.root != root:
                other = f"{peer.name} signs another root, {answer.root.root.hex()[:16]}..."
                self._say(log.warning, "root_differs", epoch, Act.GATHER, other)
            elif _is_signed_by(peer.owner, members, digest, answer.signature):
                work.roots[peer.owner] = answer.signature

        self._ask(work, Act.GATHER, [peer for peer in self._p.peers if peer.owner not in work.roots], ask)

    async def _submit(self, epoch: int, work: Work) -> None:
        """Submits when it is this validator's turn: turns follow a hash, a step every two seconds."""
        assert work.own_root is not None, "the machine signs first"
        now_ms, members = self._p.clock.now_ms(), await asyncio.to_thread(self._p.chain.current_set)
        work.quorum_at_ms = work.quorum_at_ms or now_ms
        turn_ms = work.quorum_at_ms + self._turn(epoch, members) * SUBMIT_STAGGER_MS
        if now_ms < max(turn_ms, work.submitted_at_ms + RETRY_POST_MS):
            return
        call = submit_root(self._p.chain.reader.network, work.own_root.root, list(work.roots.values()))
        work.submitted_at_ms = now_ms
        await self._send(call)
        log.info("root_submitted", epoch=epoch, signatures=len(work.roots))

    def _turn(self, epoch: int, members: ValidatorSet) -> int:
        """This validator's place among the members, itself included if it is none any more."""
        owners = sorted({*members.stakes, self._p.owner}, key=lambda owner: sha256(U64.encode(epoch), owner))
        return owners.index(self._p.owner)

    async def _send(self, call: Call) -> None:
        """Sends a transaction and sees it through to a final block in the background of its step."""
        transaction = await asyncio.to_thread(self._p.sender.send, call)
        await asyncio.to_thread(self._p.sender.wait, transaction, TRANSACTION_TIMEOUT_S)


def _holds_quorum(owners: dict[Address, bytes] | set[Address], stakes: dict[Address, int]) -> bool:
    return is_quorum(stake_of(owners, stakes), sum(stakes.values()))


def _is_signed_by(owner: Address, members: ValidatorSet, digest: bytes, signature: bytes) -> bool:
    key = recover_quorum(digest, signature)
    return key is not None and members.owner_of(key) == owner
