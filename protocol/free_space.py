"""How far a signal this strong can have come: the free-space bound as a table of exact integers (Friis).

R[x] = floor(10^(x/2000) * c/(4*pi)) metre-hertz for an excess of x hundredths of a dB. Because 10^(x/2000) only shifts
the decimal point every 2,000 steps, `free_space_data` holds the 2,000 values of one decade with eight more digits, and
a nested floor gives every R[x] exactly.
"""

from __future__ import annotations

from protocol.encoding import sha256
from protocol.free_space_data import DECADE
from protocol.limits import MAX_ALLOWED_DISTANCE_M

STEPS_PER_DECADE = 2_000
MAX_EXCESS_CDB = 16_000
EXTRA_DIGITS = 8
POWERS_OF_TEN = tuple(int("1" + "0" * digits) for digits in range(EXTRA_DIGITS + 1))
DATA_SHA256 = "3f79016205e3353012e68b298232f71dcfd44697f633df71c6b37523e6289c84"


def data_digest() -> str:
    """sha256 of the shipped decade, 8 bytes big-endian a value; a test compares it with DATA_SHA256."""
    return sha256(*(value.to_bytes(8, "big") for value in DECADE)).hex()


def reach_metre_hertz(excess_cdb: int) -> int:
    """R[x] with x clamped to the table, metre * hertz."""
    x = min(max(excess_cdb, 0), MAX_EXCESS_CDB)
    decades, step = divmod(x, STEPS_PER_DECADE)
    return DECADE[step] // POWERS_OF_TEN[EXTRA_DIGITS - decades]


def reach_m(excess_cdb: int, frequency_hz: int) -> int:
    """Largest whole-metre distance at which free space leaves this much, capped before it is ever squared.

    `excess_cdb` = EIRP + receive gain - power received + margin, 0.01 dB.
    """
    return min(reach_metre_hertz(excess_cdb) // frequency_hz, MAX_ALLOWED_DISTANCE_M)


def packet_power_cdb(rssi_cdb: int, snr_cdb: int) -> int:
    """Power of the packet itself: RSSI, or RSSI + SNR below the noise, where RSSI is mostly noise. 0.01 dBm."""
    return rssi_cdb + min(snr_cdb, 0)
