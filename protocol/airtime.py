"""LoRa time on air, exact, from the modem's symbol count (Semtech SX1276/SX1262 data sheets, section "time on air")."""

from __future__ import annotations

from dataclasses import dataclass

LOW_DATA_RATE_ABOVE_US = 16_000
MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Modulation:
    """How a LoRa frame is sent. Beacons use the defaults: CR 4/5, CRC, explicit header, 8 preamble symbols."""

    spreading_factor: int
    bandwidth_hz: int
    cr_denominator: int = 5
    crc: bool = True
    explicit_header: bool = True
    preamble_symbols: int = 8
    low_data_rate: bool | None = None
    """None: on exactly when a symbol lasts longer than 16 ms."""

    def __post_init__(self) -> None:
        if not 5 <= self.spreading_factor <= 12 or self.bandwidth_hz <= 0 or not 5 <= self.cr_denominator <= 8:
            raise ValueError(f"no LoRa modulation: {self}")

    @property
    def uses_low_data_rate(self) -> bool:
        if self.low_data_rate is not None:
            return self.low_data_rate
        return (MICROSECONDS << self.spreading_factor) > LOW_DATA_RATE_ABOVE_US * self.bandwidth_hz


def symbol_count(modulation: Modulation, payload_bytes: int) -> int:
    """Header and payload symbols, the fixed 8 included, the preamble excluded."""
    factor = modulation.spreading_factor
    extra = 8 if factor >= 7 else 0
    bits = 8 * payload_bytes - 4 * factor + extra + 16 * modulation.crc + 20 * modulation.explicit_header
    per_block = 4 * (factor - 2 * (modulation.uses_low_data_rate and factor >= 7))
    blocks = max(-(-bits // per_block), 0)
    return 8 + blocks * modulation.cr_denominator


def airtime_us(modulation: Modulation, payload_bytes: int) -> int:
    """Microseconds of the whole packet, rounded down (exact for every bandwidth that divides 2^SF seconds)."""
    preamble_quarters = 4 * modulation.preamble_symbols + (17 if modulation.spreading_factor >= 7 else 25)
    quarters = preamble_quarters + 4 * symbol_count(modulation, payload_bytes)
    return (quarters << modulation.spreading_factor) * MICROSECONDS // (4 * modulation.bandwidth_hz)
