"""Wi-Fi in the ether: frames from FIFO to FIFO, with simulated levels, and never across radios."""

from __future__ import annotations

import select
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devnet.ether.config import ConfigError, read_station
from devnet.ether.emissions import Reception
from devnet.ether.places import Place, moved
from devnet.ether.wifi import airtime_us, read_sent, received_header
from hotspot.radio import pcap
from hotspot.radio.wifi import frames
from tests.devnet.ether_world import DEADLINE_S, MUNSTER, FakeHotspot, emission, fixed, order, running_ether
from tests.hotspot.radio.wifi.running import CHANNEL_6_HZ, SOURCE, payload

FAR_M, NEAR_M = 20_000, 200


def to_send(number: int = 0, power_dbm: int = 18) -> bytes:
    """A beacon as a bridge writes it."""
    made = frames.build(payload(number), SOURCE, CHANNEL_6_HZ, power_dbm, 1, 5)
    assert made is not None
    return made


def station(name: str, folder: Path, where: Place = MUNSTER, **changed: Any) -> dict[str, Any]:
    made = {"name": name, "pipe": str(folder / name), "kind": "fixed", "gain_dbi": 2}
    return {**made, "lat": where.latitude_deg, "lon": where.longitude_deg, **changed}


class BridgeEnd:
    """A bridge's ends of a station's FIFOs."""

    def __init__(self, folder: Path, name: str) -> None:
        self.hears = pcap.FifoReader(folder / f"{name}.in")
        self.sends = pcap.FifoWriter(folder / f"{name}.out")

    def close(self) -> None:
        self.hears.close()
        self.sends.close()

    def heard(self, within_s: float = DEADLINE_S) -> list[frames.Beacon | frames.NoBeacon]:
        """What arrives until the first frame, or nothing."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if select.select([self.hears.fileno()], [], [], 0.05)[0]:
                found = self.hears.read()[0]
                if found:
                    return [frames.read(one) for one in found]
        return []


def test_a_beacon_is_heard_by_its_neighbour_and_not_far_away_nor_by_itself(tmp_path: Path) -> None:
    stations = [
        station("a", tmp_path),
        station("b", tmp_path, moved(MUNSTER, NEAR_M, 0)),
        station("c", tmp_path, moved(MUNSTER, FAR_M, 0)),
    ]
    with running_ether(tmp_path, stations=stations):
        ends = {name: BridgeEnd(tmp_path, name) for name in "abc"}
        assert ends["a"].sends.write(to_send(7), 0) == ""
        (heard,) = ends["b"].heard()
        assert isinstance(heard, frames.Beacon)
        assert (heard.payload, heard.frequency_hz, heard.noise_cdb) == (payload(7), CHANNEL_6_HZ, -9_500)
        assert -9_100 <= heard.rssi_cdb <= -5_000
        assert ends["a"].heard(0.2) == ends["c"].heard(0.2) == []
        for end in ends.values():
            end.close()


def test_radios_of_two_kinds_do_not_hear_each_other(tmp_path: Path) -> None:
    with FakeHotspot() as hotspot:
        stations = [station("w", tmp_path), fixed("l", hotspot), fixed("m", hotspot, moved(MUNSTER, 500, 0))]
        with running_ether(tmp_path, stations=stations) as ether:
            end = BridgeEnd(tmp_path, "w")
            end.sends.write(to_send(), 0)
            hotspot.send(order())
            (packet,) = hotspot.wait_for_packets(1)  # the forwarder that did not send it
            assert packet.rate.spreading_factor == 7
            assert end.heard(0.2) == []
            with ether.client() as client:
                sent = {one["name"]: one["counters"] for one in client.ask("stations")["stations"]}
            assert sent["w"]["frames_sent"] == 1
            end.close()


def test_a_frame_nobody_reads_is_counted(tmp_path: Path) -> None:
    stations = [station("a", tmp_path), station("b", tmp_path, moved(MUNSTER, NEAR_M, 0))]
    with running_ether(tmp_path, stations=stations) as ether, ether.client() as client:
        sends = pcap.FifoWriter(tmp_path / "a.out")
        sends.write(to_send(), 0)

        def lost() -> int:
            return sum(one["counters"]["not_delivered"] for one in client.ask("stations")["stations"])

        deadline = time.monotonic() + DEADLINE_S
        while not lost() and time.monotonic() < deadline:
            time.sleep(0.01)
        sends.close()
        assert lost() == 1


@pytest.mark.parametrize("changed", [{"hotspot": "127.0.0.1:1680"}, {"receiver": "gw1"}, {"pipe": ""}, {"pipe": 5}])
def test_refuses_a_station_that_is_two_things(tmp_path: Path, changed: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        read_station(station("a", tmp_path, **changed), 1)


def test_power_and_channel_are_read_from_what_a_bridge_writes() -> None:
    sent = read_sent(to_send(power_dbm=11))
    assert sent is not None
    assert (sent.frequency_hz, sent.power_cdb) == (CHANNEL_6_HZ, 1_100)
    assert airtime_us(sent.frame) == 192 + 8 * (len(sent.frame) + 4)


def test_power_is_found_behind_fields_of_every_alignment() -> None:
    present = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 5 | 1 << 7 | 1 << 10
    fields = struct.pack("<QBxHHbxHb", 1, 0, 2_412, 0, -50, 3, 17)
    sent = read_sent(struct.pack("<BxHI", 0, 8 + len(fields), present) + fields + bytes(24))
    assert sent is not None
    assert (sent.frequency_hz, sent.power_cdb) == (2_412_000_000, 1_700)


@given(st.binary(max_size=64), st.integers(0, 2**32 - 1), st.integers(0, 80))
def test_no_header_a_bridge_could_write_is_too_much(tail: bytes, present: int, length: int) -> None:
    sent = read_sent(struct.pack("<BxHI", 0, length, present) + tail)
    assert sent is None or 24 <= len(sent.frame) <= len(tail)


@pytest.mark.parametrize("rssi_cdb", [-20_000, -9_149, -4_050, 0, 20_000])
def test_a_level_beyond_a_signed_byte_is_told_at_its_end(rssi_cdb: int) -> None:
    header = received_header(emission(bandwidth_hz=20_000_000), Reception("b", rssi_cdb, 0))
    assert -128 <= struct.unpack_from("<b", header, 22)[0] <= 127
