"""One virtual packet forwarder: what it answers to an order to transmit, and what it reports of a frame heard.

No socket, no clock: every call gets the moment as microseconds of the ether's own clock. The counter `tmst` starts
anywhere, runs a few ppm off and wraps every 71.6 minutes, as a concentrator's does.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from devnet.ether.emissions import Emission, Reception
from devnet.ether.jit import JitQueue, OnAir, TxError
from hotspot.radio.gwmp.fields import Crc, DataRate, Modulation, Rxpk, Txpk
from protocol import airtime

EUI_BYTES = 8
TMST_MODULUS = 2**32
MILLION = 1_000_000
MOST_DRIFT_PPM = 10
LEAST_POWER_DBM, MOST_POWER_DBM = 12, 27
"""Ends of the gain table of an SX1302 board; other powers are sent at the nearest end, with a warning."""
COPY_DELAY_US = 1
"""Copies of one frame, as from an image channel, have different counter values a few microseconds apart."""
TRANSMITTING_CHAIN = 0
LEAST_PREAMBLE_SYMBOLS = 6
DEFAULT_PREAMBLE_SYMBOLS = 8
MOST_PAYLOAD_BYTES = 255
BANDWIDTHS_HZ = (125_000, 250_000, 500_000)
CHAIN_SPAN_HZ = 1_000_000
TUNING_TOLERANCE_HZ = 31_250
"""A quarter of 125 kHz: a LoRa demodulator still locks on."""


@dataclass(frozen=True, slots=True)
class ChannelPlan:
    """What every forwarder of this ether listens to and may transmit on, Hz."""

    listen_hz: tuple[int, ...] = tuple(range(867_100_000, 868_600_000, 200_000))
    least_transmit_hz: int = 863_000_000
    most_transmit_hz: int = 870_000_000

    def channel_of(self, frequency_hz: int) -> int | None:
        """Index of the channel that hears a frequency, or None."""
        nearest = min(range(len(self.listen_hz)), key=lambda at: abs(self.listen_hz[at] - frequency_hz))
        return nearest if abs(self.listen_hz[nearest] - frequency_hz) <= TUNING_TOLERANCE_HZ else None

    def chain_of(self, channel: int) -> int:
        """The radio that serves a channel: one tuner spans less than a megahertz."""
        return int(self.listen_hz[channel] - min(self.listen_hz) >= CHAIN_SPAN_HZ)


@dataclass(frozen=True, slots=True)
class Programmed:
    """The order was accepted. `warning_dbm`: the power used where the one asked for cannot be."""

    on_air: OnAir
    power_dbm: int
    warning_dbm: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The order is answered with an error."""

    error: TxError


@dataclass(frozen=True, slots=True)
class Ignored:
    """The order gets no answer at all, as from the real program; the sentence is for the ether's own log."""

    why: str


Decision = Programmed | Refused | Ignored


@dataclass(frozen=True, slots=True)
class Identity:
    """What is particular to one forwarder, all derived from the ether's seed and the station's name."""

    eui: bytes
    counter_start_us: int
    drift_ppm: int

    @classmethod
    def derive(cls, seed: int, name: str) -> Identity:
        drawn = sha256(f"farfield/ether/forwarder/{seed}/{name}".encode()).digest()
        drift_ppm = drawn[12] % (2 * MOST_DRIFT_PPM + 1) - MOST_DRIFT_PPM
        return cls(drawn[:EUI_BYTES], int.from_bytes(drawn[8:12], "big"), drift_ppm)


class Forwarder:
    """The decisions of one forwarder. Its only state is the transmit queue."""

    def __init__(self, identity: Identity, plan: ChannelPlan, started_us: int) -> None:
        self.identity = identity
        self._plan = plan
        self._started_us = started_us
        self._queue = JitQueue()

    def tmst_us(self, now_us: int) -> int:
        """The concentrator's counter, 32 bits."""
        elapsed_us = now_us - self._started_us
        elapsed_us += elapsed_us * self.identity.drift_ppm // MILLION
        return (self.identity.counter_start_us + elapsed_us) % TMST_MODULUS

    def order(self, order: Txpk, now_us: int) -> Decision:
        """What the forwarder does with the txpk of a PULL_RESP that arrives now."""
        timed = order.immediate or order.tmst_us is not None
        if not timed:
            return Refused(TxError.NO_GPS) if order.gps_ms is not None else Ignored("no imme, tmst or tmms")
        problem = _unusable(order)
        if problem is not None:
            return Ignored(problem)
        if not self._plan.least_transmit_hz <= order.frequency_hz <= self._plan.most_transmit_hz:
            return Refused(TxError.FREQUENCY)
        asked_dbm = order.power_dbm or 0
        power_dbm = min(max(asked_dbm, LEAST_POWER_DBM), MOST_POWER_DBM)
        placed = self._place(order, now_us)
        if isinstance(placed, TxError):
            return Refused(placed)
        return Programmed(placed, power_dbm, None if power_dbm == asked_dbm else power_dbm)

    def _place(self, order: Txpk, now_us: int) -> OnAir | TxError:
        duration_us = airtime_us(order)
        if order.immediate or order.tmst_us is None:
            return self._queue.at_once(now_us, duration_us)
        counts = (order.tmst_us - self.tmst_us(now_us)) % TMST_MODULUS
        delay_us = counts * MILLION // (MILLION + self.identity.drift_ppm)
        return self._queue.in_time(now_us, delay_us, duration_us)

    def report(self, emission: Emission, reception: Reception) -> Rxpk:
        """The rxpk of a frame heard; a hearable emission is always on a channel of the plan."""
        channel = self._plan.channel_of(emission.frequency_hz)
        assert channel is not None
        return Rxpk(
            tmst_us=self.tmst_us(emission.end_us + reception.copy * COPY_DELAY_US),
            frequency_hz=self._plan.listen_hz[channel],
            rate=DataRate(Modulation.LORA, emission.spreading_factor, emission.bandwidth_hz),
            crc=Crc.OK,
            payload=emission.payload,
            cr_denominator=emission.cr_denominator,
            channel=channel,
            rf_chain=self._plan.chain_of(channel),
            rssi_cdb=reception.rssi_cdb,
            snr_cdb=tenths(reception.snr_cdb),
        )


def _unusable(order: Txpk) -> str | None:
    """Why the real program would drop the order without a word, or None."""
    if order.rf_chain != TRANSMITTING_CHAIN:
        return "rfch is missing or has no transmitter"
    if order.rate.modulation is not Modulation.LORA:
        return "not LoRa: this ether carries nothing else"
    if order.rate.bandwidth_hz not in BANDWIDTHS_HZ:
        return "no such bandwidth"
    if order.cr_denominator is None:
        return "codr is missing"
    if len(order.payload) > MOST_PAYLOAD_BYTES:
        return "too long for a LoRa frame"
    return None


def airtime_us(order: Txpk) -> int:
    """Exact time on air of an order that `_unusable` let pass, microseconds."""
    asked = order.preamble_symbols
    modulation = airtime.Modulation(
        spreading_factor=order.rate.spreading_factor or 0,
        bandwidth_hz=order.rate.bandwidth_hz or 0,
        cr_denominator=order.cr_denominator or 0,
        crc=not order.no_crc,
        explicit_header=not order.no_header,
        preamble_symbols=DEFAULT_PREAMBLE_SYMBOLS if asked is None else max(asked, LEAST_PREAMBLE_SYMBOLS),
    )
    return airtime.airtime_us(modulation, len(order.payload))


def is_hearable(order: Txpk, plan: ChannelPlan) -> bool:
    """False for what gateways do not demodulate (off channel, inverted, implicit header) or forward (no CRC)."""
    unheard = order.inverted or order.no_crc or order.no_header
    return not unheard and plan.channel_of(order.frequency_hz) is not None


def tenths(value_cdb: int) -> int:
    """A level rounded to tenths of a dB, half to even, still in hundredths: the precision of lsnr."""
    return round(value_cdb / 10) * 10
