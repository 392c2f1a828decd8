"""Beacons built and read: round trips, what is not ours, and frames made to break whoever reads them."""

from __future__ import annotations

import contextlib
import gc
import random
import struct
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotspot.radio import pcap, ssid
from hotspot.radio.wifi import elements, frames
from hotspot.radio.wifi.frames import Beacon, NoBeacon
from protocol import beacon as protocol_beacon
from tests.factories import SHARED
from tests.hotspot.radio.wifi.running import (
    CHANNEL_6_HZ,
    NOISE,
    SIGNAL,
    SOURCE,
    captured,
    management_frame,
    payload,
    radiotap,
)

CAPTURES = SHARED / "data" / "wifi-radiotap-tcpdump-bsd"
HEADERS = SHARED / "data" / "radiotap-vectors-isc"
LONGEST_S = 0.1
BAD_FCS = 0x40
TAGS = st.binary(min_size=protocol_beacon.TAG_BYTES, max_size=protocol_beacon.TAG_BYTES)
EVERYTHING = 0b1101111


def reason(frame: bytes) -> str:
    found = frames.read(frame)
    assert isinstance(found, NoBeacon)
    return found.reason


@settings(max_examples=40, deadline=None)
@given(TAGS, st.sampled_from(range(1, 14)), st.integers(-127, 0))
def test_what_is_built_is_read_again(tag: bytes, channel: int, rssi_dbm: int) -> None:
    frequency_hz = frames.frequency_of(channel)
    assert frequency_hz is not None
    made = frames.build(protocol_beacon.frame(tag), SOURCE, frequency_hz, 18, 7, 1)
    assert made is not None
    on_air = made[int.from_bytes(made[2:4], "little") :]
    found = frames.read(radiotap(rssi_dbm=rssi_dbm, mhz=frequency_hz // 1_000_000) + on_air)
    assert found == Beacon(
        payload=protocol_beacon.frame(tag),
        source=SOURCE.hex(":"),
        frequency_hz=frequency_hz,
        rssi_cdb=100 * rssi_dbm,
        noise_cdb=-9_200,
        timer_us=7_000_000_123,
    )


@given(TAGS)
def test_the_name_of_a_beacon_is_31_printable_characters_and_means_it(tag: bytes) -> None:
    whole = protocol_beacon.frame(tag)
    name = ssid.ssid_of(whole)
    assert name is not None
    assert (len(name), name.decode("ascii").isprintable()) == (31, True)
    assert ssid.payload_in(name) == whole


@pytest.mark.parametrize("name", [b"", b"ff-", b"ff-" + b"*" * 28, b"fg-" + b"A" * 28, b"ff-" + b"A" * 29])
def test_an_ordinary_name_means_nothing(name: bytes) -> None:
    assert ssid.payload_in(name) is None


def test_the_two_programs_mean_the_same_payload() -> None:
    assert ssid.PAYLOAD_PREFIX == protocol_beacon.PREFIX
    assert ssid.TAG_BYTES == protocol_beacon.TAG_BYTES


def test_the_transmit_header_is_what_drivers_read() -> None:
    made = frames.build(payload(), SOURCE, CHANNEL_6_HZ, 18, 7, 1)
    assert made is not None
    version, length, present, rate, mhz, channel_flags, power_dbm, flags = struct.unpack_from("<BxHIBxHHbxH", made)
    assert (version, length, present) == (0, 18, 1 << 2 | 1 << 3 | 1 << 10 | 1 << 15)
    assert (rate, mhz, channel_flags, power_dbm, flags) == (2, 2_437, 0xA0, 18, 8)
    assert made[length] == 0x80


@pytest.mark.parametrize(("data", "frequency_hz"), [(b"x" * 24, CHANNEL_6_HZ), (payload(), 868_100_000)])
def test_builds_nothing_but_beacons_on_channels_of_this_band(data: bytes, frequency_hz: int) -> None:
    assert frames.build(data, SOURCE, frequency_hz, 18, 0, 0) is None


def test_a_tag_in_the_name_alone_is_enough() -> None:
    whole = captured(4)
    cut = whole[: whole.rindex(elements.VENDOR_BODY) - 2]
    found = frames.read(cut)
    assert isinstance(found, Beacon)
    assert found.payload == payload(4)


def test_a_radio_that_tells_no_noise_gets_the_thermal_one() -> None:
    found = frames.read(captured(present=EVERYTHING & ~NOISE))
    assert isinstance(found, Beacon)
    assert found.noise_cdb == -9_500


def test_the_first_of_several_antennas_is_the_whole_radio() -> None:
    first, again = SIGNAL, SIGNAL | 1 << 11
    header = struct.pack("<III", 1 << 3 | first | 1 << 29 | 1 << 31, again | 1 << 29 | 1 << 31, again)
    fields = struct.pack("<HHbbBbB", 2_437, 0xA0, -60, -63, 0, -70, 1)
    found = frames.read(struct.pack("<BxH", 0, 4 + len(header) + len(fields)) + header + fields + management_frame())
    assert isinstance(found, Beacon)
    assert found.rssi_cdb == -6_000


def test_a_frame_with_its_checksum_is_read_and_one_with_a_wrong_checksum_is_not() -> None:
    with_fcs = captured(flags=0x10) + b"\1\2\3\4"
    assert isinstance(frames.read(with_fcs), Beacon)
    assert reason(captured(flags=BAD_FCS)) == "bad_fcs"


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        (b"", "not_radiotap"),
        (bytes(7), "not_radiotap"),
        (b"\1" + captured()[1:], "not_radiotap"),
        (captured()[:10], "not_a_beacon"),
        (radiotap(), "not_a_beacon"),
        (radiotap() + b"\x40" + management_frame()[1:], "not_a_beacon"),
        (radiotap() + management_frame()[:40], "foreign_beacon"),
        (struct.pack("<BxHI", 0, 300, 0) + bytes(400), "too_long"),
        (captured() + bytes(pcap.MAX_FRAME_BYTES), "too_long"),
        (radiotap() + management_frame() + b"\0\0" * 64, "too_many_elements"),
        (captured(present=EVERYTHING & ~SIGNAL), "no_level"),
        (captured(rssi_dbm=-128), "no_level"),
        (captured(mhz=2_412), "other_channel"),
        (struct.pack("<BxHI", 0, 10, 1 << 4) + bytes(2) + management_frame(), "radiotap_unread"),
        (struct.pack("<BxH", 0, 40) + b"\0\0\0\x80" * 9 + management_frame(), "radiotap_unread"),
    ],
)
def test_what_is_none_of_ours_is_named(frame: bytes, name: str) -> None:
    assert reason(frame) == name


# --- frames made to break it --------------------------------------------------------------------------------------


def mutated(dice: random.Random, count: int) -> Iterator[bytes]:
    """Good captures with bytes changed, cut out, doubled or put in, headers as often as bodies."""
    good = [captured(number, flags=flags) for number in range(8) for flags in (0, 0x10)]
    for _ in range(count):
        frame = bytearray(dice.choice(good))
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(dice.choice([8, 36, len(frame)]))
            change = dice.randrange(4)
            if change == 0:
                frame[at] = dice.choice([0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)])
            elif change == 1:
                del frame[at : at + dice.randint(1, 8)]
            elif change == 2:
                frame[at:at] = frame[at : at + dice.randint(1, 16)]
            else:
                frame[at:at] = dice.randbytes(dice.randint(1, 8))
            if len(frame) < 37:
                break
        yield bytes(frame)


def fuzzed_by_scapy(count: int, seed: int) -> Iterator[bytes]:
    """scapy's own fuzz() of a beacon's layers, with our element before, between or behind, so that it is looked at."""
    from scapy.layers import dot11
    from scapy.packet import fuzz

    random.seed(seed)  # scapy draws from the module's own dice
    ours = dot11.Dot11EltVendorSpecific(oui=elements.OUI, info=b"\1" + payload(3))
    kinds = [
        dot11.Dot11Elt, dot11.Dot11EltRates, dot11.Dot11EltDSSSet, dot11.Dot11EltRSN, dot11.Dot11EltCountry,
        dot11.Dot11EltHTCapabilities, dot11.Dot11EltVendorSpecific, dot11.Dot11EltMicrosoftWPA, dot11.Dot11EltERP,
    ]  # fmt: skip
    made = 0
    while made < count:
        chosen = [fuzz(random.choice(kinds)()) for _ in range(random.randint(0, 4))]
        chosen.insert(random.randint(0, len(chosen)), ours)
        frame = dot11.Dot11(type=0, subtype=8, addr2="02:00:00:00:00:01") / fuzz(dot11.Dot11Beacon())
        for one in chosen:
            frame /= one
        with contextlib.suppress(struct.error):  # what fuzz() drew is too long for an element; it draws again
            on_air = bytes(frame)
            made += 1
            yield radiotap(flags=random.choice([0, 0, 0x10, BAD_FCS])) + on_air


def fuzzed_radiotap(count: int, seed: int) -> Iterator[bytes]:
    """Radiotap headers of random fields and lengths before a good beacon."""
    dice, good = random.Random(seed), management_frame()
    for _ in range(count):
        present, body = dice.getrandbits(32), dice.randbytes(dice.randint(0, 120))
        yield struct.pack("<BxHI", 0, 8 + len(body), present) + body + good


def outcomes(found: Iterator[bytes]) -> Counter[str]:
    """How frames were read; none may take longer than a tenth of a second of this process's time."""
    counts: Counter[str] = Counter()
    for frame in found:
        before = time.process_time()
        read = frames.read(frame)
        spent_s = time.process_time() - before
        assert spent_s < LONGEST_S, f"{spent_s:.3f} s for {frame.hex()}"
        counts[read.reason if isinstance(read, NoBeacon) else "beacon"] += 1
    return counts


def test_mutated_captures_break_nothing() -> None:
    frames.read(captured())  # loads scapy
    counts = outcomes(mutated(random.Random(1), 800))
    assert counts["beacon"] > 50
    assert len(counts) > 5


def test_beacons_fuzzed_by_scapy_break_nothing() -> None:
    counts = outcomes(fuzzed_by_scapy(200, 2))
    assert counts["beacon"] > 50


def test_fuzzed_radiotap_breaks_nothing() -> None:
    counts = outcomes(fuzzed_radiotap(600, 3))
    assert sum(counts.values()) == 600
    assert counts["beacon"] + counts["no_level"] > 20


def test_memory_stays_where_it_is() -> None:
    def measured() -> int:
        outcomes(mutated(random.Random(4), 50))
        outcomes(fuzzed_by_scapy(10, 5))
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    measured_once = outcomes(mutated(random.Random(4), 50)) + outcomes(fuzzed_by_scapy(10, 5))
    assert measured_once["beacon"] > 0  # everything is loaded now
    tracemalloc.start()
    try:
        first = measured()
        grown = [measured() - first for _ in range(3)]
    finally:
        tracemalloc.stop()
    assert max(grown) < 20_000, grown


@given(st.binary(max_size=400))
def test_any_bytes_at_all_are_named(data: bytes) -> None:
    assert elements.problem_of(data) in {"not_radiotap", "not_a_beacon", "foreign_beacon", "too_long"} | {
        "radiotap_unread",
        "too_many_elements",
    }


def test_a_first_look_is_cheap() -> None:
    whole, count = captured(), 5_000
    before = time.process_time()
    for _ in range(count):
        elements.problem_of(whole)
    assert (time.process_time() - before) / count < 0.000_1


# --- captures of others -------------------------------------------------------------------------------------------


def other_captures() -> list[Path]:
    return sorted(CAPTURES.glob("*.pcap"))


@pytest.mark.skipif(not CAPTURES.exists(), reason="captures are not beside this checkout (../shared/data)")
def test_real_captures_break_nothing_and_hold_no_beacon_of_ours() -> None:
    counts: Counter[str] = Counter()
    for path in other_captures():
        reader = pcap.Reader()
        counts += outcomes(iter(list(reader.feed(path.read_bytes()))))
        counts[reader.broken or "whole"] += 1
    assert counts["beacon"] == 0
    assert counts["foreign_beacon"] > 0


@pytest.mark.skipif(not CAPTURES.exists(), reason="captures are not beside this checkout (../shared/data)")
def test_our_beacon_under_every_captured_radiotap_header_is_read_or_named() -> None:
    counts: Counter[str] = Counter()
    for path in other_captures():
        for frame in pcap.Reader().feed(path.read_bytes()):
            header = frame[: int.from_bytes(frame[2:4], "little")] if len(frame) > 4 else b""
            counts += outcomes(iter([header + management_frame()]))
    assert sum(counts.values()) > 20


@pytest.mark.skipif(not HEADERS.exists(), reason="radiotap headers are not beside this checkout (../shared/data)")
def test_radiotap_headers_malformed_on_purpose_are_read_or_named() -> None:
    headers = [path.read_bytes() for path in sorted(HEADERS.glob("*.bin"))]
    counts = outcomes(header + management_frame() for header in headers)
    assert sum(counts.values()) == len(headers) > 5
