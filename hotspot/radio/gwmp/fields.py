"""The JSON objects of GWMP as integer values: a packet heard, a forwarder's status, an order to transmit.

A key that is absent, null or unreadable is None; a packet that lacks what it needs is a reason instead of a value.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any

from hotspot.radio.gwmp.strict_json import decimal_text, is_number, quoted, scaled, text, whole, write

MAX_U32 = 2**32 - 1
MAX_FREQUENCY_MHZ = 10_000
MAX_LEVEL_DB = 327
"""A level of +-327 dB in hundredths fits the 16 bits a report has for it."""
MAX_COUNT = 2**53
MAX_TEXT = 64
MAX_REMEMBERED = 256
"""Rates, frequencies and levels remembered with what they mean; the same few come again and again."""
MAX_ANTENNAS = 16
"""More entries of one packet's rsig are not looked at."""
LORA_DATA_RATE = re.compile(r"SF([0-9]{1,2})BW([0-9]{1,4})", re.ASCII)
CODING_RATE = re.compile(r"4/([5-8])", re.ASCII)
LR_FHSS_CODING_RATE = re.compile(r"[0-9]/([0-9])", re.ASCII)
STANDARD_ALPHABET = str.maketrans("-_", "+/")


class Modulation(StrEnum):
    """The modulations a forwarder reports."""

    LORA = "LORA"
    FSK = "FSK"
    LR_FHSS = "LR-FHSS"


class Crc(StrEnum):
    """What the forwarder says of the payload's checksum."""

    OK = "ok"
    NONE = "none"
    BAD = "bad"


class PacketProblem(StrEnum):
    """Why one entry of a datagram is dropped; its neighbours stay."""

    FIELD = "FIELD"
    DATA = "DATA"
    SIZE = "SIZE"


CRC_OF_STAT = {1: Crc.OK, 0: Crc.NONE, -1: Crc.BAD}
STAT_OF_CRC = {crc: stat for stat, crc in CRC_OF_STAT.items()}


@dataclass(frozen=True, slots=True)
class DataRate:
    """LoRa: spreading_factor and bandwidth_hz. FSK: bitrate_bps. LR-FHSS: its text as received."""

    modulation: Modulation
    spreading_factor: int | None = None
    bandwidth_hz: int | None = None
    bitrate_bps: int | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Antenna:
    """What one antenna of a multi-antenna gateway heard; levels in 0.01 dB."""

    number: int
    channel: int | None = None
    rssi_cdb: int | None = None
    signal_rssi_cdb: int | None = None
    snr_cdb: int | None = None


@dataclass(frozen=True, slots=True)
class Rxpk:
    """One packet heard. rssi_cdb is the channel's level, signal_rssi_cdb the signal's own, both 0.01 dBm.

    With several antennas, the one with the highest SNR speaks for the packet: see `best`.
    """

    tmst_us: int
    frequency_hz: int
    rate: DataRate
    crc: Crc
    payload: bytes
    cr_denominator: int | None = None
    channel: int | None = None
    rf_chain: int | None = None
    rssi_cdb: int | None = None
    signal_rssi_cdb: int | None = None
    snr_cdb: int | None = None
    frequency_offset_hz: int | None = None
    gps_ms: int | None = None
    fine_time_ns: int | None = None
    time: str | None = None
    antennas: tuple[Antenna, ...] = ()

    @property
    def best(self) -> Antenna:
        """The reception that speaks for the packet: the antenna with the highest SNR, or the packet's own levels."""
        if not self.antennas:
            return Antenna(0, self.channel, self.rssi_cdb, self.signal_rssi_cdb, self.snr_cdb)
        heard = [antenna for antenna in self.antennas if antenna.snr_cdb is not None] or self.antennas[:1]
        return max(heard, key=lambda antenna: -(10**6) if antenna.snr_cdb is None else antenna.snr_cdb)

    @property
    def signal_cdb(self) -> int | None:
        """The signal's own level where the gateway measures it, else the channel's."""
        best = self.best
        return best.rssi_cdb if best.signal_rssi_cdb is None else best.signal_rssi_cdb


@dataclass(frozen=True, slots=True)
class Stat:
    """A forwarder's status. Its position comes from GPS or from a config file, and nobody can tell which."""

    time: str | None = None
    latitude_udeg: int | None = None
    longitude_udeg: int | None = None
    altitude_m: int | None = None
    received: int | None = None
    received_ok: int | None = None
    forwarded: int | None = None
    acknowledged_tenths: int | None = None
    downlinks: int | None = None
    transmitted: int | None = None
    temperature_tenths: int | None = None


@dataclass(frozen=True, slots=True)
class Txpk:
    """An order to transmit: at once, at a counter value, or at a GPS time."""

    frequency_hz: int
    rate: DataRate
    payload: bytes
    immediate: bool | None = None
    tmst_us: int | None = None
    gps_ms: int | None = None
    rf_chain: int | None = None
    power_dbm: int | None = None
    cr_denominator: int | None = None
    inverted: bool | None = None
    preamble_symbols: int | None = None
    deviation_hz: int | None = None
    no_crc: bool | None = None
    no_header: bool | None = None


# --- reading --------------------------------------------------------------------------------------------------


def read_rxpk(entry: object) -> Rxpk | PacketProblem:
    """One packet, or why it is dropped."""
    if not isinstance(entry, dict):
        return PacketProblem.FIELD
    tmst_us = whole(entry.get("tmst"), 0, MAX_U32)
    crc = CRC_OF_STAT.get(whole(entry.get("stat"), -1, 1))  # type: ignore[arg-type]
    frequency_hz = _frequency_hz(entry.get("freq"))
    rate = data_rate(entry)
    if tmst_us is None or crc is None or frequency_hz is None or rate is None:
        return PacketProblem.FIELD
    payload = _payload(entry)
    if isinstance(payload, PacketProblem):
        return payload
    return Rxpk(
        tmst_us=tmst_us,
        frequency_hz=frequency_hz,
        rate=rate,
        crc=crc,
        payload=payload,
        cr_denominator=coding_rate(entry.get("codr"), rate.modulation),
        channel=whole(entry.get("chan"), 0, MAX_U32),
        rf_chain=whole(entry.get("rfch"), 0, MAX_U32),
        rssi_cdb=_level_cdb(entry.get("rssi")),
        signal_rssi_cdb=_level_cdb(entry.get("rssis")),
        snr_cdb=_level_cdb(entry.get("lsnr")),
        frequency_offset_hz=whole(entry.get("foff"), -MAX_U32, MAX_U32),
        gps_ms=whole(entry.get("tmms"), 0, MAX_COUNT),
        fine_time_ns=whole(entry.get("ftime", entry.get("fts")), 0, MAX_U32),
        time=text(entry.get("time"), MAX_TEXT),
        antennas=_antennas(entry.get("rsig")),
    )


def _frequency_hz(value: object) -> int | None:
    return _frequency_hz_of(value) if is_number(value) else None


@lru_cache(MAX_REMEMBERED)
def _frequency_hz_of(mhz: int | Decimal) -> int | None:
    return scaled(mhz, 6, 0, MAX_FREQUENCY_MHZ) if mhz > 0 else None


def _level_cdb(value: object) -> int | None:
    if type(value) is Decimal:
        return _level_cdb_of(value)
    return scaled(value, 2, -MAX_LEVEL_DB, MAX_LEVEL_DB)


@lru_cache(MAX_REMEMBERED)
def _level_cdb_of(level_db: Decimal) -> int | None:
    return scaled(level_db, 2, -MAX_LEVEL_DB, MAX_LEVEL_DB)


def data_rate(entry: dict[str, Any]) -> DataRate | None:
    """Modulation and data rate of a packet or an order; None if they cannot be read."""
    name, datr = entry.get("modu"), entry.get("datr")
    if name == Modulation.LORA:
        label = text(datr, MAX_TEXT)
        return None if label is None else _lora_rate(label)
    if name == Modulation.FSK:
        bitrate_bps = scaled(datr, 0, 1, MAX_U32)
        return None if bitrate_bps is None else DataRate(Modulation.FSK, bitrate_bps=bitrate_bps)
    if name == Modulation.LR_FHSS:
        label = text(datr, MAX_TEXT)
        return DataRate(Modulation.LR_FHSS, label=label) if label else None
    return None


@lru_cache(MAX_REMEMBERED)
def _lora_rate(label: str) -> DataRate | None:
    found = LORA_DATA_RATE.fullmatch(label)
    if found is None or not 5 <= int(found[1]) <= 12 or int(found[2]) == 0:
        return None
    return DataRate(Modulation.LORA, spreading_factor=int(found[1]), bandwidth_hz=int(found[2]) * 1_000)


def coding_rate(value: object, modulation: Modulation) -> int | None:
    """Denominator of a coding rate, 5 to 8; None for OFF, none, or nonsense."""
    label = text(value, MAX_TEXT)
    return None if label is None else _coding_rate_of(label, modulation)


@lru_cache(MAX_REMEMBERED)
def _coding_rate_of(value: str, modulation: Modulation) -> int | None:
    pattern = LR_FHSS_CODING_RATE if modulation is Modulation.LR_FHSS else CODING_RATE
    found = pattern.fullmatch(value)
    return int(found[1]) if found else None


def _payload(entry: dict[str, Any]) -> bytes | PacketProblem:
    size, data = whole(entry.get("size"), 0, MAX_U32), entry.get("data")
    if size is None or data is None:
        return PacketProblem.FIELD
    payload = read_base64(data)
    if payload is None:
        return PacketProblem.DATA
    return payload if len(payload) == size else PacketProblem.SIZE


def read_base64(data: object) -> bytes | None:
    """Standard, URL-safe and mixed alphabets, padded or not; None if the text is not base64 at all."""
    if not isinstance(data, str):
        return None
    try:
        return binascii.a2b_base64(data, strict_mode=True)
    except ValueError:
        pass
    bare = data.translate(STANDARD_ALPHABET)
    bare = bare[:-2] if bare.endswith("==") else bare.removesuffix("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _antennas(value: object) -> tuple[Antenna, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(_antenna(at, one) for at, one in enumerate(value[:MAX_ANTENNAS]) if isinstance(one, dict))


def _antenna(at: int, entry: dict[str, Any]) -> Antenna:
    number = whole(entry.get("ant"), 0, MAX_U32)
    return Antenna(
        number=at if number is None else number,
        channel=whole(entry.get("chan"), 0, MAX_U32),
        rssi_cdb=_level_cdb(entry.get("rssic")),
        signal_rssi_cdb=_level_cdb(entry.get("rssis")),
        snr_cdb=_level_cdb(entry.get("lsnr")),
    )


def read_stat(entry: object) -> Stat | None:
    """A forwarder's status, or None where there is none."""
    if not isinstance(entry, dict):
        return None
    return Stat(
        time=text(entry.get("time"), MAX_TEXT),
        latitude_udeg=scaled(entry.get("lati"), 6, -90, 90),
        longitude_udeg=scaled(entry.get("long"), 6, -180, 180),
        altitude_m=scaled(entry.get("alti"), 0, -100_000, 100_000),
        received=whole(entry.get("rxnb"), 0, MAX_COUNT),
        received_ok=whole(entry.get("rxok"), 0, MAX_COUNT),
        forwarded=whole(entry.get("rxfw"), 0, MAX_COUNT),
        acknowledged_tenths=scaled(entry.get("ackr"), 1, 0, MAX_COUNT),
        downlinks=whole(entry.get("dwnb"), 0, MAX_COUNT),
        transmitted=whole(entry.get("txnb"), 0, MAX_COUNT),
        temperature_tenths=scaled(entry.get("temp"), 1, -1_000, 1_000),
    )


def read_txpk(entry: object) -> Txpk | PacketProblem:
    """An order to transmit, or why it is none."""
    if not isinstance(entry, dict):
        return PacketProblem.FIELD
    frequency_hz, rate = _frequency_hz(entry.get("freq")), data_rate(entry)
    if frequency_hz is None or rate is None:
        return PacketProblem.FIELD
    payload = _payload(entry)
    if isinstance(payload, PacketProblem):
        return payload
    return Txpk(
        frequency_hz=frequency_hz,
        rate=rate,
        payload=payload,
        immediate=_flag(entry.get("imme")),
        tmst_us=whole(entry.get("tmst"), 0, MAX_U32),
        gps_ms=whole(entry.get("tmms"), 0, MAX_COUNT),
        rf_chain=whole(entry.get("rfch"), 0, MAX_U32),
        power_dbm=scaled(entry.get("powe"), 0, -MAX_LEVEL_DB, MAX_LEVEL_DB),
        cr_denominator=coding_rate(entry.get("codr"), rate.modulation),
        inverted=_flag(entry.get("ipol")),
        preamble_symbols=whole(entry.get("prea"), 0, 65_535),
        deviation_hz=whole(entry.get("fdev"), 0, MAX_U32),
        no_crc=_flag(entry.get("ncrc")),
        no_header=_flag(entry.get("nhdr")),
    )


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


# --- writing --------------------------------------------------------------------------------------------------


def write_rxpk(packet: Rxpk) -> str:
    """JSON text that reads back as the same packet."""
    return write({
        "tmst": str(packet.tmst_us),
        "time": _text(packet.time),
        "tmms": _number(packet.gps_ms),
        "ftime": _number(packet.fine_time_ns),
        "chan": _number(packet.channel),
        "rfch": _number(packet.rf_chain),
        "freq": decimal_text(packet.frequency_hz, 6, 6),
        "stat": str(STAT_OF_CRC[packet.crc]),
        **_modulation(packet.rate, packet.cr_denominator),
        "rssis": _level(packet.signal_rssi_cdb),
        "lsnr": _level(packet.snr_cdb),
        "foff": _number(packet.frequency_offset_hz),
        "rssi": _level(packet.rssi_cdb),
        "rsig": _write_antennas(packet.antennas) if packet.antennas else None,
        **_data(packet.payload),
    })  # fmt: skip


def write_txpk(order: Txpk) -> str:
    """JSON text that reads back as the same order; the frequency is written from whole hertz with six decimals."""
    return write({
        "imme": _boolean(order.immediate),
        "tmst": _number(order.tmst_us),
        "tmms": _number(order.gps_ms),
        "freq": decimal_text(order.frequency_hz, 6, 6),
        "rfch": _number(order.rf_chain),
        "powe": _number(order.power_dbm),
        **_modulation(order.rate, order.cr_denominator),
        "fdev": _number(order.deviation_hz),
        "ipol": _boolean(order.inverted),
        "prea": _number(order.preamble_symbols),
        "ncrc": _boolean(order.no_crc),
        "nhdr": _boolean(order.no_header),
        **_data(order.payload),
    })  # fmt: skip


def write_stat(stat: Stat) -> str:
    """JSON text that reads back as the same status."""
    return write({
        "time": _text(stat.time),
        "lati": _scaled(stat.latitude_udeg, 6),
        "long": _scaled(stat.longitude_udeg, 6),
        "alti": _number(stat.altitude_m),
        "rxnb": _number(stat.received),
        "rxok": _number(stat.received_ok),
        "rxfw": _number(stat.forwarded),
        "ackr": _scaled(stat.acknowledged_tenths, 1),
        "dwnb": _number(stat.downlinks),
        "txnb": _number(stat.transmitted),
        "temp": _scaled(stat.temperature_tenths, 1),
    })  # fmt: skip


def _modulation(rate: DataRate, cr_denominator: int | None) -> dict[str, str | None]:
    if rate.modulation is Modulation.LORA:
        datr = quoted(f"SF{rate.spreading_factor}BW{(rate.bandwidth_hz or 0) // 1_000}")
    elif rate.modulation is Modulation.FSK:
        datr = str(rate.bitrate_bps)
    else:
        datr = quoted(rate.label or "")
    numerator = 4
    return {
        "modu": quoted(rate.modulation),
        "datr": datr,
        "codr": None if cr_denominator is None else quoted(f"{numerator}/{cr_denominator}"),
    }


def _write_antennas(antennas: tuple[Antenna, ...]) -> str:
    return "[" + ",".join(_write_antenna(antenna) for antenna in antennas) + "]"


def _write_antenna(antenna: Antenna) -> str:
    return write({
        "ant": str(antenna.number),
        "chan": _number(antenna.channel),
        "rssic": _level(antenna.rssi_cdb),
        "rssis": _level(antenna.signal_rssi_cdb),
        "lsnr": _level(antenna.snr_cdb),
    })  # fmt: skip


def _data(payload: bytes) -> dict[str, str | None]:
    return {"size": str(len(payload)), "data": quoted(base64.b64encode(payload).decode("ascii"))}


def _number(value: int | None) -> str | None:
    return None if value is None else str(value)


def _level(value_cdb: int | None) -> str | None:
    return _scaled(value_cdb, 2)


def _scaled(value: int | None, decimals: int) -> str | None:
    return None if value is None else decimal_text(value, decimals)


def _boolean(value: bool | None) -> str | None:
    return None if value is None else ("true" if value else "false")


def _text(value: str | None) -> str | None:
    return None if value is None else quoted(value)
