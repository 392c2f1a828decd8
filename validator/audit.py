"""The audit anyone can repeat: chain and public evidence in, the same bytes out, or the first difference by name."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from chain.errors import ChainUnavailable
from chain.events import RootSubmitted
from chain.history import History
from chain.network import NetworkFile
from chain.reader import ChainReader
from protocol.encoding import U32, Record
from protocol.epoch import EpochResult, Summary, decode_outcomes, decode_summary
from protocol.state import decode_state
from protocol.verdicts import Engine
from protocol.version import PROTOCOL_VERSION
from validator.assembly import Before, BrokenEvidenceError, NotYetError, adopt, after, compute
from validator.blobs import BlobStore
from validator.chain_view import ChainView
from validator.disk import Disk
from validator.rules import NetworkRules, RulesError, find_params_file, load_rules
from validator.sources import BlobSource
from validator.wire.client import PeerClient

IDENTICAL, DIFFERENT, OTHER_VERSION = 0, 7, 8


class AuditImpossibleError(Exception):
    """The audit cannot be made; the message is a sentence with the next step."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found. `difference` is empty when all is the same; there is no `result` of broken evidence."""

    epoch: int
    on_chain: str
    audited: str
    data_hash_on_chain: str
    data_hash: str
    difference: str
    result: EpochResult | None

    @property
    def exit_code(self) -> int:
        return DIFFERENT if self.difference else IDENTICAL


class OtherVersionError(Exception):
    """The epoch was judged by another PROTOCOL_VERSION; the message names it."""


class Auditor:
    """One network, seen by somebody with nothing but its network.json and an empty directory."""

    def __init__(self, network: NetworkFile, directory: Path, engine: Engine) -> None:
        self._network, self._engine = network, engine
        self._peers = [
            PeerClient(one.owner, one.endpoint, f"validator {place}") for place, one in enumerate(network.validators, 1)
        ]
        self._source = BlobSource(BlobStore(directory / "blobs", Disk()), self._peers)
        self._reader = ChainReader(network)

    async def close(self) -> None:
        """Gives every connection back."""
        self._reader.close()
        for peer in self._peers:
            await peer.close()

    async def audit(self, epoch: int) -> Audit:
        """Computes the epoch again and compares it with the root on chain."""
        chain, rules = await self._open()
        root = chain.root(epoch)
        if root is None:
            raise AuditImpossibleError(_no_root(chain, epoch))
        signed = await self._signed_summary(root.data_hash)
        try:
            result = await self._compute(chain, rules, epoch)
        except BrokenEvidenceError as error:
            return Audit(epoch, root.root.hex(), "", root.data_hash.hex(), "", str(error), None)
        return Audit(
            epoch,
            root.root.hex(),
            result.tree.root.hex(),
            root.data_hash.hex(),
            result.data_hash.hex(),
            await self._difference(result, root, signed),
            result,
        )

    async def _difference(self, result: EpochResult, root: RootSubmitted, signed: Summary | None) -> str:
        """What differs first, or "" when everything on chain is what the evidence comes to."""
        if result.data_hash != root.data_hash:
            return await first_difference(result, signed, self._source)
        if result.tree.root != root.root:
            return f"root over the same data: {result.tree.root.hex()} here, {root.root.hex()} on chain"
        total = result.state.cumulative_total
        if total != root.cumulative_total:
            return f"sum of all amounts over the same data: {total} here, {root.cumulative_total} on chain"
        return ""

    async def _open(self) -> tuple[ChainView, NetworkRules]:
        try:
            findings = await asyncio.to_thread(self._reader.check)
        except ChainUnavailable as error:
            raise AuditImpossibleError(str(error)) from error
        if findings:
            raise AuditImpossibleError(" ".join(findings))
        rules = await self._rules()
        chain = await asyncio.to_thread(ChainView, self._reader, History(self._reader), rules.params)
        await asyncio.to_thread(chain.refresh)
        return chain, rules

    async def _rules(self) -> NetworkRules:
        for peer in self._peers:
            status = await peer.status()
            data = await self._source.get(status.params_file, peer) if status else None
            params_file = find_params_file([data] if data else [], self._network.params_hash)
            if params_file is not None:
                try:
                    return await load_rules(params_file, self._source)
                except RulesError as error:
                    raise AuditImpossibleError(str(error)) from error
        raise AuditImpossibleError(
            "No validator serves a params file that has the params hash on chain with this release's rulebook. "
            "Check the endpoints in the network file, or update Farfield."
        )

    async def _signed_summary(self, data_hash: bytes) -> Summary | None:
        """The summary the validators signed, for comparison; another protocol version ends the audit."""
        data = await self._source.get(data_hash)
        if data is None:
            return None
        version = U32.decode(data[: U32.width])
        if version != PROTOCOL_VERSION:
            raise OtherVersionError(
                f"This epoch was judged by protocol version {version}, this release judges {PROTOCOL_VERSION}. "
                f"Install the release of Farfield whose PROTOCOL_VERSION is {version}."
            )
        return decode_summary(data)

    async def _compute(self, chain: ChainView, rules: NetworkRules, epoch: int) -> EpochResult:
        """The epoch's result, from the newest root before it; epochs between without a root are computed on the way."""
        try:
            before: Before = await adopt(chain, rules, self._source, epoch)
            while True:
                result = await compute(chain, rules, self._source, before, self._engine)
                if result.epoch == epoch:
                    return result
                before = after(result, before)
        except NotYetError as error:
            raise AuditImpossibleError(f"The audit cannot be made now: {error}. Try again later.") from error


def _no_root(chain: ChainView, epoch: int) -> str:
    newest = chain.last_root()
    known = f"The newest root is of epoch {newest.epoch}." if newest else "There is no root at all yet."
    return f"Epoch {epoch} has no root on chain: it is not settled yet, or was empty. {known}"


async def first_difference(result: EpochResult, signed: Summary | None, source: BlobSource) -> str:
    """The first part that differs from what was signed, and in a table its first differing row."""
    if signed is None:
        return "the data differ, and no validator serves the summary that was signed"
    own = decode_summary(result.summary)
    assert own is not None, "it was just made"
    for name in ("params", "registry", "need_map", "state_before"):
        here, there = getattr(own.head, name), getattr(signed.head, name)
        if here != there:
            return f"{name.replace('_', ' ')}: {here.hex()} here, {there.hex()} signed"
    if own.manifests != signed.manifests:
        return _first_row("counted manifests", own.manifests, signed.manifests)
    theirs = await source.get(signed.head.outcomes)
    mine, other = decode_outcomes(result.outcome_table), decode_outcomes(theirs) if theirs else None
    if other is None or mine is None:
        return "the outcome table that was signed is not served by any validator"
    if mine.outcomes != other.outcomes:
        return _first_row("outcomes", mine.outcomes, other.outcomes)
    if mine.sites != other.sites:
        return _first_row("sites", mine.sites, other.sites)
    return await _state_difference(result, signed, source)


async def _state_difference(result: EpochResult, signed: Summary, source: BlobSource) -> str:
    data = await source.get(signed.head.state_after)
    other = decode_state(data) if data else None
    if other is None:
        return "the state that was signed is not served by any validator"
    mine = result.state
    accounts = [[one for _, one in sorted(state.accounts.items())] for state in (mine, other)]
    if accounts[0] != accounts[1]:
        return _first_row("accounts", *accounts)
    if mine.cells != other.cells:
        return _first_row("cells", mine.cells, other.cells)
    for name in ("reserve", "non_empty", "need_map_next", "need_map_after"):
        here, there = getattr(mine, name), getattr(other, name)
        if here != there:
            return f"{name.replace('_', ' ')}: {_shown(here)} here, {_shown(there)} signed"
    positions = [[one for _, one in sorted(state.positions.items())] for state in (mine, other)]
    return _first_row("positions", *positions)


def _shown(value: int | bytes) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _first_row(table: str, mine: Sequence[Record], other: Sequence[Record]) -> str:
    for place, (left, right) in enumerate(zip_longest(mine, other)):
        if left != right:
            return f"{table}, row {place}: {left} here, {right} signed"
    return f"{table}: same rows in another order"
