"""One virtual Wi-Fi radio: two FIFOs of 802.11 frames, as a bridge at the other end reads and writes them.

`PIPE.out` is what the hotspot's bridge sends, `PIPE.in` what it hears. A frame that was sent is taken as it is: the
ether reads its radiotap header and measures its length, and knows nothing of what is in it. Everything about its way to
others is simulated; a radio here hears all channels at once, where a real one goes from one to the next and meets some
of a beacon's copies.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from devnet.ether.config import StationConfig
from devnet.ether.emissions import Emission, Reception
from devnet.ether.simulated import noise_floor_cdb
from hotspot.radio.pcap import FifoPair, PipeError

BANDWIDTH_HZ = 20_000_000
BITS_PER_US = 1
PREAMBLE_US = 192
"""Long preamble and header of a frame at 1 Mb/s."""
FCS_BYTES = 4
LEAST_FRAME_BYTES = 24
RADIOTAP_LEAST_BYTES = 8
CHANNEL_BIT, POWER_BIT, EXTENDED_BIT = 3, 10, 31
FIELDS = {0: (8, 8), 1: (1, 1), 2: (1, 1), 3: (4, 2), 4: (2, 2), 5: (1, 1), 6: (1, 1), 7: (2, 2), 8: (2, 2), 9: (2, 2)}
"""Bytes and alignment of radiotap's fields before the transmit power."""
RECEIVED_PRESENT = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 11
RATE_500_KBPS, CCK_2GHZ, ANTENNA = 2, 0x00A0, 0
DEFAULT_POWER_CDB = 2_000
LEAST_DBM, MOST_DBM = -128, 127


@dataclass(frozen=True, slots=True)
class Sent:
    """What a bridge asked of its radio: Hz, 0.01 dBm, and the 802.11 frame."""

    frequency_hz: int
    power_cdb: int
    frame: bytes


@dataclass(slots=True)
class Counters:
    """What a station has done; shown in the list of stations and in the report."""

    frames_sent: int = 0
    frames_heard: int = 0
    not_delivered: int = 0
    unreadable: int = 0


OnSent = Callable[["WifiStation", Sent], None]


class WifiStation:
    """One station on the bridge's side. `open` makes its FIFOs, `close` releases them."""

    is_wifi = True
    eui = b""

    def __init__(self, config: StationConfig, on_sent: OnSent) -> None:
        self.config = config
        self.counters = Counters()
        self._on_sent = on_sent
        self._pair: FifoPair | None = None

    @property
    def name(self) -> str:
        return self.config.name

    async def open(self) -> None:
        """Opens both FIFOs; OSError if they cannot be had."""
        pipe = self.config.pipe
        assert pipe is not None, "a Wi-Fi station has a pipe"
        try:
            self._pair = FifoPair(pipe.with_name(pipe.name + ".out"), pipe.with_name(pipe.name + ".in"))
        except PipeError as error:
            raise OSError(str(error)) from error
        self._pair.start(self._take, self._on_problem)

    def close(self) -> None:
        """Closes both FIFOs."""
        if self._pair is not None:
            self._pair.close()
            self._pair = None

    def hear(self, emission: Emission, reception: Reception, on_acknowledged: object = None) -> None:
        """Gives the bridge one frame heard. FIFOs acknowledge nothing: frames nobody reads are counted and lost."""
        frame = received_header(emission, reception) + emission.payload
        problem = "closed" if self._pair is None else self._pair.write(frame)
        if problem:
            self.counters.not_delivered += 1
        else:
            self.counters.frames_heard += 1

    def describe(self) -> dict[str, Any]:
        """Name, pipe and counters, for lists and reports."""
        return {
            "name": self.name,
            "eui": "",
            "hotspot": str(self.config.pipe),
            "kind": "mapper" if self.config.is_mapper else "fixed",
            "radio": "wifi",
            "gain_dbi": self.config.gain_cdb / 100,
            "counters": asdict(self.counters),
        }

    def _take(self, data: bytes) -> None:
        sent = read_sent(data)
        if sent is None:
            self.counters.unreadable += 1
            return
        self.counters.frames_sent += 1
        self._on_sent(self, sent)

    def _on_problem(self, reason: str) -> None:
        self.counters.unreadable += 1


# --- pure ---------------------------------------------------------------------------------------------------------


def airtime_us(frame: bytes) -> int:
    """Time on air of a frame at 1 Mb/s."""
    return PREAMBLE_US + 8 * (len(frame) + FCS_BYTES) // BITS_PER_US


def read_sent(data: bytes) -> Sent | None:
    """A frame with the radiotap header of a transmission; None without a channel or without a frame."""
    if len(data) < RADIOTAP_LEAST_BYTES or data[0] != 0:
        return None
    length, present = struct.unpack_from("<HI", data, 2)
    if not RADIOTAP_LEAST_BYTES <= length <= len(data) - LEAST_FRAME_BYTES or present >> EXTENDED_BIT:
        return None
    places = _places(present, data[:length])
    if CHANNEL_BIT not in places:
        return None
    mhz = struct.unpack_from("<H", data, places[CHANNEL_BIT])[0]
    power_cdb = DEFAULT_POWER_CDB
    if POWER_BIT in places:
        power_cdb = 100 * struct.unpack_from("<b", data, places[POWER_BIT])[0]
    return Sent(mhz * 1_000_000, power_cdb, data[length:])


def _places(present: int, header: bytes) -> dict[int, int]:
    """Where each field up to the transmit power begins; those that do not fit in the header are left out."""
    found, at = {}, RADIOTAP_LEAST_BYTES
    for bit, (size, alignment) in {**FIELDS, POWER_BIT: (1, 1)}.items():
        if present >> bit & 1:
            at += -at % alignment
            if at + size <= len(header):
                found[bit] = at
            at += size
    return found


def received_header(emission: Emission, reception: Reception) -> bytes:
    """The radiotap header a driver puts before a frame it heard."""
    noise_cdb = noise_floor_cdb(BANDWIDTH_HZ)
    fields = struct.pack(
        "<QBBHHbbB",
        emission.end_us,
        0,
        RATE_500_KBPS,
        emission.frequency_hz // 1_000_000,
        CCK_2GHZ,
        _decibel(reception.rssi_cdb),
        _decibel(noise_cdb),
        ANTENNA,
    )
    return struct.pack("<BxHI", 0, RADIOTAP_LEAST_BYTES + len(fields), RECEIVED_PRESENT) + fields


def _decibel(value_cdb: int) -> int:
    return min(max(round(value_cdb / 100), LEAST_DBM), MOST_DBM)
