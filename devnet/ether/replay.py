"""The trace channel: every beacon of a mapper carries its next measured frame, and every row is accounted for.

A row ends in exactly one class: offered (its datagram went to the receiver's hotspot and was acknowledged) or not
offered, with its cause. A row whose datagram is not acknowledged within `ACK_PATIENCE_US` counts as "receiver down";
an acknowledgement that comes later still makes it offered. Until the replay is over, a row may also be waiting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from devnet.ether.emissions import Air, Emission, Listener, Reception
from devnet.ether.places import Place
from devnet.ether.trace import Cause, MapperPlan, TraceFrame, TracePlan
from protocol import beacon
from protocol.ids import CellId
from protocol.limits import MAX_TIME_MS

ACK_PATIENCE_US = 5_000_000
WAITING_SLOT = "waiting for a slot"
WAITING_ACK = "waiting for an acknowledgement"
OFFERED = "offered"


class PartTakenError(ValueError):
    """A station asks for a part of the trace that does not exist or that another station plays."""


@dataclass(slots=True)
class Mapper:
    """A mapper station and how many of its frames it has carried."""

    plan: MapperPlan
    carried: int = 0

    @property
    def next_frame(self) -> TraceFrame | None:
        frames = self.plan.frames
        return frames[self.carried] if self.carried < len(frames) else None

    @property
    def place(self) -> Place:
        """Where the next frame was measured; after the last one, where that was."""
        return self.plan.frames[min(self.carried, len(self.plan.frames) - 1)].place


@dataclass(slots=True)
class Carried:
    """What became of a row whose frame was on air."""

    mapper: str
    receiver: str | None
    unix_ms: int
    tag: bytes
    cause: Cause | None = None
    deadline_us: int = 0
    acknowledged: bool = False

    def outcome(self, now_us: int) -> str:
        if self.cause is not None or self.acknowledged:
            return self.cause or OFFERED
        return Cause.DOWN if now_us >= self.deadline_us else WAITING_ACK


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """One row of the file, its class, and its transmission if it had one."""

    row: int
    frame: str
    outcome: str
    carried: Carried | None = None


class Replay:
    """The state of one replay: who plays which part, which frames are used, what became of every row."""

    def __init__(self, plan: TracePlan) -> None:
        self.plan = plan
        self._parts = {(mapper.tx_id, mapper.cell): mapper for mapper in plan.mappers}
        self._receiver_places = {receiver.rx_id: receiver.place for receiver in plan.receivers}
        self._mappers: dict[str, Mapper] = {}
        self._receivers: dict[str, str] = {}
        self._carried: dict[int, Carried] = {}
        self._progress: dict[tuple[str, CellId], Mapper] = {}
        self._until_unix_ms = MAX_TIME_MS

    # --- who plays which part

    def enter_mapper(self, station: str, tx_id: str, cell: CellId) -> None:
        """The station becomes this transmitter in this cell; PartTakenError if it cannot."""
        part = self._parts.get((tx_id, cell))
        if part is None:
            raise PartTakenError(f"the file has no frame of {tx_id!r} in cell {cell:x}")
        if any((other.plan.tx_id, other.plan.cell) == (tx_id, cell) for other in self._mappers.values()):
            raise PartTakenError(f"another station already is {tx_id!r} in cell {cell:x}")
        self._mappers[station] = self._progress.setdefault((tx_id, cell), Mapper(part))

    def enter_receiver(self, station: str, rx_id: str) -> None:
        """The station becomes this receiver; PartTakenError if it cannot."""
        if rx_id not in self._receiver_places:
            raise PartTakenError(f"the file has no receiver {rx_id!r} with a position")
        if rx_id in self._receivers:
            raise PartTakenError(f"another station already is the receiver {rx_id!r}")
        self._receivers[rx_id] = station

    def leave(self, station: str) -> None:
        """The station is gone; a mapper that comes back goes on after its last frame."""
        self._mappers.pop(station, None)
        self._receivers = {rx_id: name for rx_id, name in self._receivers.items() if name != station}

    def place(self, station: str) -> Place | None:
        """Where a mapper says it is or a receiver stands; None for a station without a part."""
        if station in self._mappers:
            return self._mappers[station].place
        part = next((rx_id for rx_id, name in self._receivers.items() if name == station), None)
        return None if part is None else self._receiver_places[part]

    # --- what is on air

    def finish(self, until_unix_ms: int) -> None:
        """Frames that start at or after this moment carry no row: the replay is over. The earliest call counts."""
        self._until_unix_ms = min(until_unix_ms, self._until_unix_ms)

    def receptions(self, emission: Emission, air: Air, listeners: Iterable[Listener]) -> list[Reception]:
        """The rows of the next frame of the mapper that sent a beacon; nobody hears anything else."""
        mapper = self._mappers.get(emission.station)
        tag = beacon.tag_in(emission.payload)
        over = emission.start_unix_ms >= self._until_unix_ms
        if mapper is None or mapper.next_frame is None or tag is None or over or not emission.hearable:
            return []
        frame = mapper.next_frame
        mapper.carried += 1
        attached = {listener.name for listener in listeners}
        carried = (self._carry(row, emission, tag, air, attached) for row in frame.rows)
        return _numbered(reception for reception in carried if reception is not None)

    def _carry(self, row_index: int, emission: Emission, tag: bytes, air: Air, attached: set[str]) -> Reception | None:
        row = self.plan.rows[row_index]
        station = self._receivers.get(row.rx_id)
        carried = Carried(emission.station, station, emission.start_unix_ms, tag)
        carried.deadline_us = emission.end_us + ACK_PATIENCE_US
        self._carried[row_index] = carried
        if station is None or station not in attached:
            carried.cause = Cause.RECEIVER_ABSENT
        elif air.transmitting(station, emission):
            carried.cause = Cause.TRANSMITTING
        if carried.cause is not None or station is None or row.rssi_cdb is None:
            return None
        return Reception(station, row.rssi_cdb, row.snr_cdb, row_index)

    def acknowledged(self, row_index: int) -> None:
        """The hotspot acknowledged the datagram that carried the row."""
        self._carried[row_index].acknowledged = True

    def waits_until_us(self, now_us: int) -> int | None:
        """When the last row that still waits for an acknowledgement is given up; None if none waits."""
        waiting = (one.deadline_us for one in self._carried.values() if one.outcome(now_us) == WAITING_ACK)
        return max(waiting, default=None)

    # --- the account

    def outcomes(self, now_us: int, final: bool) -> list[RowOutcome]:
        """Every row of the file, in order, in exactly one class."""
        known = {row: self._of_frame(frame, row, mapper, now_us, final) for mapper, frame, row in self._planned()}
        for row_index, cause in self.plan.impossible.items():
            known[row_index] = RowOutcome(row_index, self.plan.rows[row_index].frame, cause)
        return [known[row.index] for row in self.plan.rows]

    def _planned(self) -> Iterator[tuple[MapperPlan, TraceFrame, int]]:
        return ((mapper, frame, row) for mapper in self.plan.mappers for frame in mapper.frames for row in frame.rows)

    def _of_frame(self, frame: TraceFrame, row: int, mapper: MapperPlan, now_us: int, final: bool) -> RowOutcome:
        carried = self._carried.get(row)
        if carried is not None:
            return RowOutcome(row, frame.frame, carried.outcome(now_us), carried)
        if (mapper.tx_id, mapper.cell) not in self._progress:
            return RowOutcome(row, frame.frame, Cause.MAPPER_ABSENT)
        return RowOutcome(row, frame.frame, Cause.NO_SLOT if final else WAITING_SLOT)


def _numbered(receptions: Iterable[Reception]) -> list[Reception]:
    """The same receptions, those of one station told apart by their copy number."""
    copies: Counter[str] = Counter()
    numbered = []
    for reception in receptions:
        numbered.append(replace(reception, copy=copies[reception.station]))
        copies[reception.station] += 1
    return numbered


def totals(outcomes: Iterable[RowOutcome]) -> tuple[int, dict[str, int], dict[str, int]]:
    """(rows offered, not offered by cause, still waiting by what for)."""
    counts = Counter(str(outcome.outcome) for outcome in outcomes)
    waiting = {name: counts.pop(name) for name in (WAITING_SLOT, WAITING_ACK) if name in counts}
    return counts.pop(OFFERED, 0), dict(counts), waiting
