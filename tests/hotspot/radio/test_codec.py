"""GWMP datagrams against independent vectors, round trips, and hostile input."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotspot.radio.gwmp import codec
from hotspot.radio.gwmp.fields import Antenna, Crc, DataRate, Modulation, Rxpk, Stat, Txpk
from hotspot.radio.gwmp.strict_json import MAX_CONTAINERS, MAX_DEPTH
from tests.hotspot.radio.hostile import SEEDS, mutated

VECTORS = Path(__file__).resolve().parents[4] / "shared" / "vectors" / "gwmp.json"


def vectors() -> list[dict[str, Any]]:
    return json.loads(VECTORS.read_text())["cases"] if VECTORS.exists() else []


def without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def rate_members(rate: DataRate) -> dict[str, Any]:
    return {
        "modulation": rate.modulation,
        "sf": rate.spreading_factor,
        "bw_hz": rate.bandwidth_hz,
        "bitrate_bps": rate.bitrate_bps,
        "datarate": rate.label,
    }


def packet_members(index: int, packet: Rxpk) -> dict[str, Any]:
    best = packet.best
    antennas = [
        without_none({
            "ant": one.number, "chan": one.channel, "rssic_cdbm": one.rssi_cdb,
            "rssis_cdbm": one.signal_rssi_cdb, "snr_cdb": one.snr_cdb,
        })
        for one in packet.antennas
    ]  # fmt: skip
    return without_none({
        "index": index, "tmst": packet.tmst_us, "chan": packet.channel, "rfch": packet.rf_chain,
        "freq_hz": packet.frequency_hz, **rate_members(packet.rate), "cr_denominator": packet.cr_denominator,
        "crc": packet.crc, "rssi_cdbm": packet.rssi_cdb, "rssis_cdbm": packet.signal_rssi_cdb,
        "snr_cdb": best.snr_cdb, "signal_cdbm": packet.signal_cdb, "payload": packet.payload.hex(),
        "tmms": packet.gps_ms, "ftime_ns": packet.fine_time_ns, "foff_hz": packet.frequency_offset_hz,
        "time": packet.time, "antennas": antennas or None, "best_antenna": best.number if antennas else None,
    })  # fmt: skip


def stat_members(stat: Stat) -> dict[str, Any]:
    return without_none({
        "time": stat.time, "lat_udeg": stat.latitude_udeg, "lon_udeg": stat.longitude_udeg, "alt_m": stat.altitude_m,
        "rxnb": stat.received, "rxok": stat.received_ok, "rxfw": stat.forwarded,
        "ackr_tenths": stat.acknowledged_tenths, "dwnb": stat.downlinks, "txnb": stat.transmitted,
        "temp_tenths": stat.temperature_tenths,
    })  # fmt: skip


def order_members(order: Txpk) -> dict[str, Any]:
    return without_none({
        "freq_hz": order.frequency_hz, **rate_members(order.rate), "cr_denominator": order.cr_denominator,
        "imme": order.immediate, "tmst": order.tmst_us, "tmms": order.gps_ms, "rfch": order.rf_chain,
        "power_dbm": order.power_dbm, "ipol": order.inverted, "preamble_symbols": order.preamble_symbols,
        "fdev_hz": order.deviation_hz, "ncrc": order.no_crc, "nhdr": order.no_header, "payload": order.payload.hex(),
    })  # fmt: skip


def answer_members(answer: codec.TxAck) -> dict[str, Any]:
    if answer.error is not None:
        return {"result": "ERROR", "code": answer.error}
    if answer.warning is None:
        return {"result": "OK"}
    return {"result": "WARN", "code": answer.warning, "value": (answer.value_cdb or 0) // 100}


def as_expected(result: codec.Datagram | codec.Refused) -> dict[str, Any]:
    if isinstance(result, codec.Refused):
        ack = result.header.ack.hex() if result.header and result.header.ack else None
        return without_none({"accept": False, "reason": str(result.reason), "ack": ack})
    header = result.header
    members: dict[str, Any] = {
        "accept": True, "version": header.version, "token": header.token.hex(), "type": header.kind.name,
        "eui": header.eui.hex() or None, "ack": header.ack.hex() if header.ack else None,
    }  # fmt: skip
    if isinstance(result, codec.PushData):
        pairs = zip(result.indexes, result.packets, strict=True)
        members["rxpk"] = [packet_members(index, packet) for index, packet in pairs]
        members["dropped"] = [{"index": one.index, "reason": str(one.reason)} for one in result.dropped]
        members["stat"] = None if result.stat is None else stat_members(result.stat)
    elif isinstance(result, codec.PullResp):
        members["txpk"] = order_members(result.order)
    elif isinstance(result, codec.TxAck):
        members["tx"] = answer_members(result)
    return without_none(members)


@pytest.mark.skipif(not VECTORS.exists(), reason="needs ../shared/vectors/gwmp.json next to the checkout")
@pytest.mark.parametrize("case", vectors(), ids=lambda case: case["id"])
def test_reads_the_vector(case: dict[str, Any]) -> None:
    assert as_expected(codec.decode(bytes.fromhex(case["hex"]))) == case["expect"]


# --- round trips ----------------------------------------------------------------------------------------------

U32 = st.integers(0, 2**32 - 1)
LEVEL = st.none() | st.integers(-32_700, 32_700)
TEXT = st.text(st.characters(codec="utf-8"), max_size=64)


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


lora = st.builds(
    DataRate,
    st.just(Modulation.LORA),
    spreading_factor=st.integers(5, 12),
    bandwidth_hz=st.sampled_from([125_000, 250_000, 500_000]),
)
fsk = st.builds(DataRate, st.just(Modulation.FSK), bitrate_bps=st.integers(1, 2**32 - 1))
lr_fhss = st.builds(DataRate, st.just(Modulation.LR_FHSS), label=TEXT.filter(bool))
antennas = st.builds(Antenna, U32, optional(U32), LEVEL, LEVEL, LEVEL)
packets = st.builds(
    Rxpk,
    tmst_us=U32,
    frequency_hz=st.integers(1, 10**10),
    rate=lora | fsk | lr_fhss,
    crc=st.sampled_from(Crc),
    payload=st.binary(max_size=255),
    cr_denominator=optional(st.integers(5, 8)),
    channel=optional(U32),
    rf_chain=optional(U32),
    rssi_cdb=LEVEL,
    signal_rssi_cdb=LEVEL,
    snr_cdb=LEVEL,
    frequency_offset_hz=optional(st.integers(-(2**32) + 1, 2**32 - 1)),
    gps_ms=optional(st.integers(0, 2**53)),
    fine_time_ns=optional(U32),
    time=optional(TEXT),
    antennas=st.lists(antennas, max_size=4).map(tuple),
)
stats = st.builds(
    Stat,
    time=optional(TEXT),
    latitude_udeg=optional(st.integers(-90_000_000, 90_000_000)),
    longitude_udeg=optional(st.integers(-180_000_000, 180_000_000)),
    altitude_m=optional(st.integers(-100_000, 100_000)),
    received=optional(U32),
    received_ok=optional(U32),
    forwarded=optional(U32),
    acknowledged_tenths=optional(st.integers(0, 1_000)),
    downlinks=optional(U32),
    transmitted=optional(U32),
    temperature_tenths=optional(st.integers(-10_000, 10_000)),
)
orders = st.builds(
    Txpk,
    frequency_hz=st.integers(1, 10**10),
    rate=lora | fsk,
    payload=st.binary(max_size=255),
    immediate=optional(st.booleans()),
    tmst_us=optional(U32),
    gps_ms=optional(st.integers(0, 2**53)),
    rf_chain=optional(U32),
    power_dbm=optional(st.integers(-30, 40)),
    cr_denominator=optional(st.integers(5, 8)),
    inverted=optional(st.booleans()),
    preamble_symbols=optional(st.integers(0, 65_535)),
    deviation_hz=optional(U32),
    no_crc=optional(st.booleans()),
    no_header=optional(st.booleans()),
)


def headers(kind: codec.Identifier) -> st.SearchStrategy[codec.Header]:
    eui = st.binary(min_size=8, max_size=8) if kind in codec.WITH_EUI else st.just(b"")
    return st.builds(codec.Header, st.sampled_from([1, 2]), st.binary(min_size=2, max_size=2), st.just(kind), eui)


pushes = st.builds(
    lambda header, some, stat: codec.PushData(header, tuple(some), tuple(range(len(some))), (), stat),
    headers(codec.Identifier.PUSH_DATA),
    st.lists(packets, max_size=4),
    optional(stats),
)
answers = st.builds(
    codec.TxAck, headers(codec.Identifier.TX_ACK), error=TEXT.filter(lambda name: name != "NONE")
) | st.builds(codec.TxAck, headers(codec.Identifier.TX_ACK), warning=optional(st.just("TX_POWER")), value_cdb=st.none())
warnings = st.builds(codec.TxAck, headers(codec.Identifier.TX_ACK), warning=TEXT, value_cdb=LEVEL)
bares = st.sampled_from([codec.Identifier.PUSH_ACK, codec.Identifier.PULL_ACK, codec.Identifier.PULL_DATA]).flatmap(
    lambda kind: st.builds(codec.Bare, headers(kind))
)
downlinks = st.builds(codec.PullResp, headers(codec.Identifier.PULL_RESP), orders)


@given(pushes | answers | warnings | bares | downlinks)
@settings(max_examples=150, deadline=None)
def test_reads_back_what_it_wrote(datagram: codec.Datagram) -> None:
    assert codec.decode(codec.encode(datagram)) == datagram


# --- hostile input --------------------------------------------------------------------------------------------


def test_ten_thousand_mutated_datagrams_give_values_or_reasons() -> None:
    source = random.Random(868)
    results = [codec.decode(mutated(source, source.choice(SEEDS))) for _ in range(10_000)]
    kinds = {type(result) for result in results}
    assert codec.Refused in kinds
    assert codec.PushData in kinds
    assert all(isinstance(result, codec.Datagram | codec.Refused) for result in results)


@pytest.mark.parametrize(("levels", "refused"), [(MAX_DEPTH - 1, False), (MAX_DEPTH, True)])
def test_nesting_is_read_to_its_bound_and_no_deeper(levels: int, refused: bool) -> None:
    body = b'{"many":[{},{},"[[[\\"[["],"deep":' + b"[" * levels + b"]" * levels + b"}"
    found = codec.decode(b"\x02\x00\x00\x00AAAAAAAA" + body)
    assert isinstance(found, codec.Refused) == refused


@pytest.mark.parametrize(("lists", "refused"), [(MAX_CONTAINERS - 2, False), (MAX_CONTAINERS - 1, True)])
def test_no_more_lists_are_read_than_a_forwarder_could_need(lists: int, refused: bool) -> None:
    body = b'{"many":[' + b",".join([b"[]"] * lists) + b"]}"
    found = codec.decode(b"\x02\x00\x00\x00AAAAAAAA" + body)
    assert isinstance(found, codec.Refused) == refused


def test_text_that_cannot_be_written_again_is_not_taken() -> None:
    body = b'{"stat":{"time":"\\ud800","rxnb":1}}'
    assert codec.decode(b"\x02\x00\x00\x00AAAAAAAA" + body).stat == Stat(received=1)  # type: ignore[union-attr]


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_a_value_or_a_reason(datagram: bytes) -> None:
    assert isinstance(codec.decode(datagram), codec.Datagram | codec.Refused)


def entry(**changed: str) -> bytes:
    members = {
        "tmst": "1", "freq": "868.1", "stat": "1", "modu": '"LORA"', "datr": '"SF7BW125"', "codr": '"4/5"',
        "lsnr": "5.2", "rssi": "-97", "size": "3", "data": '"4PoB"',
    } | changed  # fmt: skip
    text = ",".join(f'"{name}":{value}' for name, value in members.items() if value)
    return b'\x02\x01\x02\x00AAAAAAAA{"rxpk":[{' + text.encode() + b"}]}"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"tmst": "1.5"}, "FIELD"),
        ({"tmst": "-1"}, "FIELD"),
        ({"tmst": "9" * 5000}, "FIELD"),
        ({"tmst": '"1"'}, "FIELD"),
        ({"freq": "0"}, "FIELD"),
        ({"freq": "10000.1"}, "FIELD"),
        ({"freq": "1e99999999999999999999"}, "FIELD"),
        ({"freq": "true"}, "FIELD"),
        ({"stat": "true"}, "FIELD"),
        ({"datr": '"SF4BW125"'}, "FIELD"),
        ({"datr": "50000"}, "FIELD"),
        ({"modu": '"OOK"'}, "FIELD"),
        ({"data": ""}, "FIELD"),
        ({"data": '"4P=B"'}, "DATA"),
        ({"data": '"4PoB4"'}, "DATA"),
        ({"data": '"4Po\\u00e9"'}, "DATA"),
        ({"size": "4"}, "SIZE"),
    ],
)
def test_drops_an_entry_with_the_reason(changed: dict[str, str], reason: str) -> None:
    result = codec.decode(entry(**changed))
    assert isinstance(result, codec.PushData)
    assert [str(one.reason) for one in result.dropped] == [reason]


@pytest.mark.parametrize("unreadable", ['"-97"', "null", "1e400", "true", "-400", "[]"])
def test_an_unreadable_level_is_absent_and_the_packet_stays(unreadable: str) -> None:
    result = codec.decode(entry(rssi=unreadable))
    assert isinstance(result, codec.PushData)
    assert result.packets[0].best.rssi_cdb is None


def test_closed_deep_nesting_is_a_reason() -> None:
    datagram = b"\x02\x01\x02\x00AAAAAAAA" + b'{"d":' + b"[" * 5000 + b"]" * 5000 + b"}"
    result = codec.decode(datagram)
    assert isinstance(result, codec.Refused)
    assert result.reason == "JSON"


def test_brackets_in_strings_are_not_nesting() -> None:
    result = codec.decode(b'\x02\x01\x02\x00AAAAAAAA{"note":"' + b"[{" * 500 + b'"}')
    assert isinstance(result, codec.PushData)


def test_many_flat_entries_are_not_nesting() -> None:
    one = entry()[12:]
    body = b'{"rxpk":[' + b",".join([one[9:-2]] * 255) + b"]}"
    result = codec.decode(b"\x02\x01\x02\x00AAAAAAAA" + body)
    assert isinstance(result, codec.PushData)
    assert len(result.packets) == 255
