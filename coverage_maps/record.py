"""One settled epoch, read from public evidence and checked against the chain before anything of it is shown.

Pure: blobs come in through a function, the chain's facts as values. What does not fit is a `Problem` with a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from protocol import merkle, rulebook
from protocol.encoding import pieces
from protocol.epoch import OutcomeTable, Summary, decode_outcomes, decode_summary, pay_weight_u
from protocol.evidence import CountedManifest, Evidence, unite
from protocol.ids import Address, HotspotId
from protocol.manifest import decode_manifest
from protocol.need import NeedMap, NeedSource, Signal, decode_baseline, decode_map
from protocol.parameters import Baseline, ParameterError, Parameters, params_hash, parse
from protocol.records import SEGMENT_ROWS, BaselineRow
from protocol.registry import Registered, fold_hash
from protocol.schedule import epoch_start_ms
from protocol.state import State, decode_state, genesis_state
from protocol.version import PROTOCOL_VERSION

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an epoch cannot be shown. `missing`: somebody may still have it, so ask again; else it will never fit."""

    sentence: str
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Root:
    """An epoch's root as the chain took it."""

    epoch: int
    root: bytes
    data_hash: bytes
    cumulative_total: int
    active_at_ms: int
    block: int
    signers: tuple[Address, ...]


Fetch = Callable[[bytes], bytes | Problem]
"""A blob by its sha256, already checked against it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The params in force and the baselines they list: what every epoch under one params hash is read by."""

    params: Parameters
    params_hash: bytes
    source: NeedSource
    genesis_ms: int

    def start_ms(self, epoch: int) -> int:
        return epoch_start_ms(self.genesis_ms, self.params.epoch, epoch)


@dataclass(frozen=True, slots=True)
class Incumbent:
    """What the baselines say on one day: signal by pay level and cell, shrunk need by (class, cell)."""

    signals: Mapping[int, Mapping[int, Signal]]
    shrunk_u: Mapping[tuple[int, int], int]


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """A settled epoch, decoded, every part checked by hash against the root on chain."""

    root: Root
    rules: Rules
    summary: Summary
    needs: NeedMap
    table: OutcomeTable
    before: State
    after: State
    evidence: Evidence
    registry: Mapping[HotspotId, Registered]
    seed: bytes

    @property
    def start_ms(self) -> int:
        return self.rules.start_ms(self.root.epoch)

    def weight_u(self, cell: int) -> int:
        """W of a pay cell in this epoch, millionths."""
        return pay_weight_u(self.rules.params, self.rules.source.classes, self.needs, cell)

    def earned(self, account_id: bytes) -> int:
        """Base units an id earned in this epoch."""
        before, after = self.before.accounts.get(account_id), self.after.accounts.get(account_id)
        return (after.cumulative if after else 0) - (before.cumulative if before else 0)


class _BrokenError(Exception):
    """Carries a Problem out of the steps below; never leaves this module."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.sentence)
        self.problem = problem


# --- what epochs are read by ------------------------------------------------------------------------------------------


def open_rules(file_digest: bytes, expected_hash: bytes, genesis_ms: int, fetch: Fetch) -> Rules | Problem:
    """The params whose hash is on chain, with the baselines they list."""
    try:
        file = _fetched(fetch, file_digest, "the params file")
        made = params_hash(file, rulebook.TEXT)
        _require(made == expected_hash, "The params file and the rulebook do not give the params hash on chain.")
        params = _parsed(file)
        listed = tuple((one, _baseline(fetch, one)) for one in params.baselines)
        return Rules(params, expected_hash, NeedSource(params.need, listed), genesis_ms)
    except _BrokenError as broken:
        return broken.problem


def _parsed(file: bytes) -> Parameters:
    try:
        return parse(file)
    except ParameterError as error:
        raise _BrokenError(Problem(f"The params file cannot be read: {error}.")) from error


def _baseline(fetch: Fetch, listed: Baseline) -> tuple[BaselineRow, ...]:
    data = _fetched(fetch, bytes.fromhex(listed.sha256), f"the baseline file {listed.name}")
    return _decoded(decode_baseline(listed, data), f"the baseline file {listed.name}")


def incumbent_at(source: NeedSource, start_ms: int) -> Incumbent:
    """What the baselines say at a moment; the same all day."""
    signals = {level: source.signals_at(start_ms, level) for level in source.classes}
    return Incumbent(signals, source.shrunk_at(start_ms))


# --- one epoch --------------------------------------------------------------------------------------------------------


def open_epoch(
    root: Root, rules: Rules, registry: Mapping[HotspotId, Registered], seed: bytes, fetch: Fetch
) -> EpochRecord | Problem:
    """The epoch behind a root on chain, or the first thing about it that does not fit."""
    try:
        return _opened(root, rules, registry, seed, fetch)
    except _BrokenError as broken:
        return broken.problem


def _opened(
    root: Root, rules: Rules, registry: Mapping[HotspotId, Registered], seed: bytes, fetch: Fetch
) -> EpochRecord:
    summary = _decoded(decode_summary(_fetched(fetch, root.data_hash, "the summary")), "the summary")
    head = summary.head
    _require(
        head.protocol_version == PROTOCOL_VERSION,
        f"The epoch was judged by protocol version {head.protocol_version}; this release reads {PROTOCOL_VERSION}.",
    )
    _require(head.params == rules.params_hash, "The epoch was judged by other params than those on chain.")
    _require(head.registry == fold_hash(registry.values()), "The registry on chain is not the one the epoch used.")
    needs = decode_map(_fetched(fetch, head.need_map, "the need map"), rules.params.need)
    table = decode_outcomes(_fetched(fetch, head.outcomes, "the outcome table"))
    after = decode_state(_fetched(fetch, head.state_after, "the state"))
    record = EpochRecord(
        root=root,
        rules=rules,
        summary=summary,
        needs=_decoded(needs, "the need map"),
        table=_decoded(table, "the outcome table"),
        before=_state_before(fetch, head.state_before, rules),
        after=_decoded(after, "the state"),
        evidence=unite(_counted(fetch, one.digest) for one in summary.manifests),
        registry=registry,
        seed=seed,
    )
    _check_root(record)
    return record


def _check_root(record: EpochRecord) -> None:
    """The amounts shown are those the root pays, and the weights shown those of the need map."""
    root, after = record.root, record.after
    _require(merkle.build(after.leaves()).root == root.root, "The state's amounts do not give the root on chain.")
    _require(after.cumulative_total == root.cumulative_total, "The state's total is not the one on chain.")
    epochs = {record.table.epoch, after.epoch, record.before.epoch + 1}
    _require(epochs == {root.epoch}, "A table belongs to another epoch.")
    wrong = (site for site in record.table.sites if site.weight_u != record.weight_u(site.cell))
    _require(next(wrong, None) is None, "A site was paid by another weight than the need map gives.")


def _state_before(fetch: Fetch, digest: bytes, rules: Rules) -> State:
    """The state the epoch started from; the genesis state needs nobody, everyone computes it from the params."""
    genesis, _ = genesis_state(rules.source, rules.genesis_ms, rules.params.emission)
    if genesis.digest() == digest:
        return genesis
    return _decoded(decode_state(_fetched(fetch, digest, "the state before")), "the state before")


def _counted(fetch: Fetch, digest: bytes) -> CountedManifest:
    manifest = _decoded(decode_manifest(_fetched(fetch, digest, "a manifest")), "a manifest")
    segments = []
    for reference in manifest.segments:
        data, record = _fetched(fetch, reference.digest, "a segment"), SEGMENT_ROWS[reference.kind]
        rows = pieces(record.width(), data)
        _require(all(record.decode(row) is not None for row in rows), "A segment has a row that is not canonical.")
        segments.append(data)
    return CountedManifest(manifest, tuple(segments))


def _fetched(fetch: Fetch, digest: bytes, what: str) -> bytes:
    found = fetch(digest)
    if isinstance(found, Problem):
        raise _BrokenError(Problem(f"{what.capitalize()} {digest.hex()[:12]} is not to be had: {found.sentence}", True))
    return found


def _decoded(value: T | None, what: str) -> T:
    if value is None:
        raise _BrokenError(Problem(f"{what.capitalize()} is not canonical."))
    return value


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise _BrokenError(Problem(sentence))


def present_hotspots(registry: Mapping[HotspotId, Registered]) -> Sequence[Registered]:
    """Registered hotspots in the order of their ids."""
    return [registry[one] for one in sorted(registry)]
