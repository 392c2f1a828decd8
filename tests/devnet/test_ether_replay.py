"""The account of a replay: every row of the file is in exactly one class."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devnet.ether.emissions import Air, Emission, Listener, Reception
from devnet.ether.places import Place
from devnet.ether.replay import ACK_PATIENCE_US, OFFERED, WAITING_ACK, WAITING_SLOT, PartTakenError, Replay, totals
from devnet.ether.trace import Cause, load, plan, read_rows
from tests.devnet.ether_world import MUNSTER, RECEPTIONS, csv_row, csv_text, emission, payload

SLOT_US = 5_000_000
LATE_US = 10**12


class World:
    """A replay with a station for every part, except those named as absent."""

    def __init__(self, *rows: str, absent: tuple[str, ...] = ()) -> None:
        self.replay = Replay(plan(read_rows(csv_text(*rows).splitlines())))
        self.air = Air()
        self.listeners: list[Listener] = []
        self.sent = 0
        for number, mapper in enumerate(self.replay.plan.mappers):
            if mapper.tx_id not in absent:
                self.replay.enter_mapper(f"mapper{number}", mapper.tx_id, mapper.cell)
                self.listeners.append(Listener(f"mapper{number}", MUNSTER, 0))
        for receiver in self.replay.plan.receivers:
            if receiver.rx_id not in absent:
                self.replay.enter_receiver(receiver.rx_id, receiver.rx_id)
                self.listeners.append(Listener(receiver.rx_id, MUNSTER, 0))

    def beacon(self, station: str = "mapper0", *, acknowledge: bool = True, **changed: object) -> list[Reception]:
        """One beacon of a station; all its receptions are acknowledged or none."""
        self.sent += 1
        start_us = self.sent * SLOT_US
        changed = {"start_us": start_us, "end_us": start_us + 61_696, "payload": payload(self.sent), **changed}
        sent: Emission = emission(station=station, **changed)
        self.air.add(sent)
        heard = self.replay.receptions(sent, self.air, self.listeners)
        self.air.judged(sent)
        for reception in heard if acknowledge else ():
            assert reception.row is not None
            self.replay.acknowledged(reception.row)
        return heard

    def classes(self, now_us: int = LATE_US, *, final: bool = True) -> list[str]:
        return [str(outcome.outcome) for outcome in self.replay.outcomes(now_us, final)]


def test_one_beacon_carries_one_frame_in_file_order_with_all_its_rows() -> None:
    world = World(csv_row(frame="1"), csv_row(frame="1", rx_id="gw2", rssi_dbm="-100"), csv_row(frame="2"))
    first, second = world.beacon(), world.beacon()
    assert [(one.station, one.rssi_cdb, one.snr_cdb, one.row) for one in first] == [
        ("gw1", -11_900, -200, 0),
        ("gw2", -10_000, 1_000, 1),
    ]
    assert [one.row for one in second] == [2]
    assert world.classes() == [OFFERED] * 3


def test_a_mapper_without_frames_left_is_heard_by_nobody() -> None:
    world = World(csv_row())
    world.beacon()
    assert world.beacon() == []


def test_a_mapper_says_it_is_where_its_next_frame_was_measured() -> None:
    world = World(csv_row(frame="1"), csv_row(frame="2", tx_lat="48.39717"))
    said = [world.replay.place("mapper0")]
    for _ in range(3):
        world.beacon()
        said.append(world.replay.place("mapper0"))
    first, second = Place("48.39716", "9.97118"), Place("48.39717", "9.97118")
    assert said == [first, second, second, second]


def test_a_receiver_stands_at_its_position_in_the_file() -> None:
    assert World(csv_row()).replay.place("gw1") == Place("48.404", "9.9852")


def test_copies_at_one_receiver_are_told_apart() -> None:
    world = World(csv_row(), csv_row(rssi_dbm="-120"), csv_row(rx_id="gw2"))
    assert [(one.station, one.copy) for one in world.beacon()] == [("gw1", 0), ("gw1", 1), ("gw2", 0)]


def test_the_beacon_of_a_receiver_is_heard_by_nobody() -> None:
    assert World(csv_row()).beacon("gw1") == []


@pytest.mark.parametrize("changed", [{"payload": b"not a beacon"}, {"hearable": False}])
def test_a_transmission_that_is_no_beacon_uses_no_frame(changed: dict[str, object]) -> None:
    world = World(csv_row())
    assert world.beacon(**changed) == []
    assert len(world.beacon()) == 1


def test_a_receiver_that_transmits_misses_its_row_only() -> None:
    world = World(csv_row(), csv_row(rx_id="gw2"))
    world.air.add(emission(station="gw1", start_us=SLOT_US + 61_000, end_us=SLOT_US + 90_000))
    assert [one.station for one in world.beacon()] == ["gw2"]
    assert world.classes() == [Cause.TRANSMITTING, OFFERED]


def test_an_unacknowledged_row_waits_then_counts_as_receiver_down() -> None:
    world = World(csv_row())
    world.beacon(acknowledge=False)
    end_us = SLOT_US + 61_696
    assert world.classes(end_us + ACK_PATIENCE_US - 1) == [WAITING_ACK]
    assert world.replay.waits_until_us(end_us) == end_us + ACK_PATIENCE_US
    assert world.classes(end_us + ACK_PATIENCE_US) == [Cause.DOWN]
    assert world.replay.waits_until_us(end_us + ACK_PATIENCE_US) is None


def test_a_late_acknowledgement_still_makes_a_row_offered() -> None:
    world = World(csv_row())
    world.beacon(acknowledge=False)
    assert world.classes() == [Cause.DOWN]
    world.replay.acknowledged(0)
    assert world.classes() == [OFFERED]


def test_rows_without_a_slot_wait_until_the_replay_is_over() -> None:
    world = World(csv_row(frame="1"), csv_row(frame="2"))
    world.beacon()
    assert world.classes(final=False) == [OFFERED, WAITING_SLOT]
    assert world.classes() == [OFFERED, Cause.NO_SLOT]


def test_stations_that_are_not_there_are_the_cause() -> None:
    world = World(csv_row(), csv_row(rx_id="gw2"), csv_row(tx_id="van"), absent=("gw2", "van"))
    world.beacon()
    assert world.classes() == [OFFERED, Cause.RECEIVER_ABSENT, Cause.MAPPER_ABSENT]


def test_nothing_is_carried_after_the_end_of_the_replay() -> None:
    world = World(csv_row(frame="1"), csv_row(frame="2"))
    world.replay.finish(emission().start_unix_ms + 1)
    world.replay.finish(emission().start_unix_ms + 10**6)
    assert len(world.beacon()) == 1
    assert world.beacon(start_unix_ms=emission().start_unix_ms + 1) == []


def test_a_mapper_that_comes_back_goes_on_after_its_last_frame() -> None:
    world = World(csv_row(frame="1"), csv_row(frame="2"))
    world.beacon()
    world.replay.leave("mapper0")
    mapper = world.replay.plan.mappers[0]
    world.replay.enter_mapper("again", mapper.tx_id, mapper.cell)
    assert [one.row for one in world.beacon("again")] == [1]


def test_a_part_is_played_by_one_station() -> None:
    world = World(csv_row())
    mapper = world.replay.plan.mappers[0]
    with pytest.raises(PartTakenError, match="another station"):
        world.replay.enter_mapper("second", mapper.tx_id, mapper.cell)
    with pytest.raises(PartTakenError, match="another station"):
        world.replay.enter_receiver("second", "gw1")
    with pytest.raises(PartTakenError, match="no frame"):
        world.replay.enter_mapper("second", "nobody", mapper.cell)
    with pytest.raises(PartTakenError, match="no receiver"):
        world.replay.enter_receiver("second", "nobody")


ROWS = st.builds(
    csv_row,
    frame=st.sampled_from(["", "1", "2", "3"]),
    tx_id=st.sampled_from(["truck", "van"]),
    tx_lat=st.sampled_from(["48.39716", "48.41", "0", ""]),
    rx_id=st.sampled_from(["gw1", "gw2", "gw3"]),
    rx_lat=st.sampled_from(["48.404", ""]),
    rssi_dbm=st.sampled_from(["-119.0", "-119.5", ""]),
)
BEACONS = st.lists(st.tuples(st.integers(0, 7), st.booleans()), max_size=20)


@given(st.lists(ROWS, max_size=20), BEACONS, st.sampled_from([(), ("gw2",), ("van",), ("gw1", "truck")]))
def test_every_row_is_in_exactly_one_class(
    rows: list[str], beacons: list[tuple[int, bool]], absent: tuple[str, ...]
) -> None:
    world = World(*rows, absent=absent)
    carried: Counter[int | None] = Counter()
    for mapper, acknowledge in beacons:
        carried.update(one.row for one in world.beacon(f"mapper{mapper}", acknowledge=acknowledge))
    outcomes = world.replay.outcomes(LATE_US, final=True)
    offered, not_offered, waiting = totals(outcomes)
    assert [outcome.row for outcome in outcomes] == list(range(len(rows)))
    assert offered + sum(not_offered.values()) == len(rows)
    assert waiting == {}
    assert set(not_offered) <= {str(cause) for cause in Cause}
    assert all(times == 1 for times in carried.values())


def test_three_epochs_of_eight_slots_offer_most_of_the_measured_drive() -> None:
    path = RECEPTIONS / "ulm2017.csv.gz"
    if not path.exists():
        pytest.skip("needs ../shared/data/receptions beside the checkout")
    found = load(path)
    world = World()
    world.replay = Replay(found)
    for number, mapper in enumerate(found.mappers):
        world.replay.enter_mapper(f"mapper{number}", mapper.tx_id, mapper.cell)
    for receiver in found.receivers:
        world.replay.enter_receiver(receiver.rx_id, receiver.rx_id)
        world.listeners.append(Listener(receiver.rx_id, receiver.place, 0))
    for _ in range(24):
        for number in range(len(found.mappers)):
            world.beacon(f"mapper{number}")
    offered, not_offered, _ = totals(world.replay.outcomes(LATE_US, final=True))
    assert offered >= 1_800
    assert not_offered == {Cause.NO_SLOT: 6_711 - offered}
    assert sum(min(24, len(mapper.frames)) for mapper in found.mappers) >= 600
