"""Datagrams that nobody should send and somebody does: damaged ones, vendors' JSON, and as much as fits into 64 kB."""

from __future__ import annotations

import base64
import json
import random
import struct
from collections.abc import Callable, Iterator

from protocol.beacon import PREFIX

LARGEST = 65_507
"""The most a UDP datagram over IPv4 carries."""
EUIS = [bytes([2]) + number.to_bytes(7, "big") for number in range(100)]
SEEDS = [
    b'\x02\x01\x02\x00AAAAAAAA{"rxpk":[{"tmst":1,"chan":0,"rfch":0,"freq":868.100000,"stat":1,"modu":"LORA",'
    b'"datr":"SF7BW125","codr":"4/5","lsnr":-7.25,"rssi":-100,"size":3,"data":"4PoB"}],"stat":{"rxnb":1}}',
    b'\x02\x01\x02\x05AAAAAAAA{"txpk_ack":{"warn":"TX_POWER","value":12}}',
    b'\x02\x01\x02\x03{"txpk":{"imme":true,"freq":868.1,"rfch":0,"powe":14,"modu":"LORA","datr":"SF7BW125",'
    b'"codr":"4/5","size":3,"data":"4PoB"}}',
    b'\x01\x01\x02\x00AAAAAAAA{"rxpk":[{"jver":2,"tmst":7,"rfch":0,"freq":904.3,"stat":1,"modu":"LORA","datr":'
    b'"SF10BW125","codr":"4/5","size":3,"data":"4PoB","rsig":[{"ant":0,"chan":1,"rssic":-99,"lsnr":-2.0},'
    b'{"ant":1,"chan":9,"rssic":-93,"rssis":-95,"lsnr":1.5,"etime":"AAAA"}]}]}\0',
]
FRAGMENTS = [
    b"1e999999999999999999", b"-", b"9" * 5000, b"[" * 3000, b'"\\ud800"', b"null", b"\xff", b'":', b"1e400", b"\0",
    b"NaN", b"-0", b"\xed\xa0\x80", b'"', b"\\", b"true", b"0.1" + b"0" * 3000, b"{}", b",", b"\xe2\x80\xa8",
]  # fmt: skip
ODD_VALUES: list[object] = [
    None, True, False, -1, 0, 1, 2**31, 2**32, 2**64, -(2**63), 0.1, -0.0, 1e308, "", "0", "NaN", "\0", "\ud83d\ude00",
    [], {}, [[]], "SF7BW125", "SF07BW125", "SF99BW125", "SF7BW0", 50_000, "4/5", "OFF", "4/9", "a" * 300,
]  # fmt: skip
KEYS = [
    "tmst", "tmms", "time", "chan", "rfch", "freq", "stat", "modu", "datr", "codr", "lsnr", "rssi", "rssis", "foff",
    "size", "data", "rsig", "jver", "mid", "brd", "aesk", "ftime", "fts", "prea", "ipol", "vendor", "txpk", "rxpk",
]  # fmt: skip
Make = Callable[[random.Random], bytes]


def mutated(source: random.Random, datagram: bytes) -> bytes:
    """A datagram with one to four places damaged."""
    data = bytearray(datagram)
    for _ in range(source.randint(1, 4)):
        at = source.randrange(len(data) + 1)
        match source.randrange(4):
            case 0 if data:
                data[at % len(data)] ^= 1 << source.randrange(8)
            case 1:
                data[at:at] = source.choice(FRAGMENTS)
            case 2:
                del data[at : at + source.randint(1, 40)]
            case _:
                data[at : at + 8] = source.choice(FRAGMENTS)
    return bytes(data[:LARGEST])


def header(source: random.Random, kind: int = 0) -> bytes:
    return bytes([source.choice((1, 2)), *source.randbytes(2), kind]) + source.choice(EUIS)


def _float32(frequency_mhz: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", frequency_mhz))[0])


def _payload(source: random.Random) -> bytes:
    return PREFIX + source.randbytes(21) if source.random() < 0.5 else source.randbytes(source.randrange(60))


def _data(source: random.Random, payload: bytes) -> str:
    plain = base64.b64encode(payload).decode()
    spellings = (plain, plain.rstrip("="), base64.urlsafe_b64encode(payload).decode(), plain + "=", plain[:-1])
    return source.choice(spellings)


def packet(source: random.Random) -> dict[str, object]:
    """One packet as some vendor may write it."""
    payload = _payload(source)
    made: dict[str, object] = {
        "tmst": source.randrange(2**32), "chan": source.randrange(9), "rfch": source.randrange(2),
        "freq": source.choice((868.1, 868.3, 904.3, _float32(869.525), _float32(867.9), 86810e-2)),
        "stat": source.choice((1, 1, 1, 0, -1)), "modu": "LORA", "datr": f"SF{source.randint(7, 12)}BW125",
        "codr": "4/5", "lsnr": round(source.uniform(-20, 12), source.randrange(4)), "rssi": -source.randrange(140),
        "size": len(payload), "data": _data(source, payload), "prea": None,
    }  # fmt: skip
    for _ in range(source.choice((0, 0, 1, 1, 2, 5))):
        key, value = source.choice(KEYS), source.choice(ODD_VALUES)
        if source.random() < 0.3:
            made.pop(key, None)
        else:
            made[key] = value
    if source.random() < 0.2:
        made["rsig"] = [{"ant": at, "lsnr": -at, "rssic": -90, "rssis": None} for at in range(source.randrange(5))]
    return made


def vendor(source: random.Random) -> bytes:
    """A PUSH_DATA of odd packets: keys twice, spaces, trailing NULs, status beside them."""
    body = json.dumps(
        {"rxpk": [packet(source) for _ in range(source.choice((0, 1, 1, 2, 8)))]},
        ensure_ascii=source.random() < 0.5,
        indent=source.choice((None, None, 1)),
    )
    if source.random() < 0.2:
        body = body[:-1] + ',"stat":{"rxnb":3,"lati":48.4,"temp":2e1,"time":null}}'
    if source.random() < 0.1:
        body = body.replace('"stat"', '"tmst": 5, "tmst": 6, "stat"', 1).replace("{", '{"rxpk":null,', 1)
    return header(source) + body.encode("utf-8", "surrogatepass") + b"\0" * source.choice((0, 0, 1, 9))


def answer(source: random.Random) -> bytes:
    body = json.dumps({"txpk_ack": {source.choice(("error", "warn", "value")): source.choice(ODD_VALUES)}})
    return header(source, 5) + body.encode("utf-8", "surrogatepass")


def short(source: random.Random) -> bytes:
    return source.randbytes(source.randrange(16))


def pull(source: random.Random) -> bytes:
    return header(source, 2)


def damaged(source: random.Random) -> bytes:
    return mutated(source, source.choice(SEEDS))


LARGE: list[Callable[[random.Random], bytes]] = [
    lambda source: b'{"rxpk":[' + b"{}," * 21_000 + b"{}]}",
    lambda source: b'{"rxpk":[' + b"0," * 32_000 + b"0]}",
    lambda source: b'{"rxpk":[' + b"[]," * 21_000 + b"[]]}",
    lambda source: b'{"rxpk":[' + b"9" * 65_000 + b"]}",
    lambda source: b'{"rxpk":[' + b",".join([b"9" * 4_000] * 16) + b"]}",
    lambda source: b'{"rxpk":[{"freq":0.' + b"1" * 65_000 + b"}]}",
    lambda source: b'{"rxpk":[' + b"1e-99999," * 7_000 + b"1]}",
    lambda source: b"[" * 65_000,
    lambda source: b'{"a":' * 12_000,
    lambda source: b'{"rxpk":"' + b"\\u0041" * 10_000 + b'"}',
    lambda source: b'{"rxpk":"' + b"\\\\" * 32_000,
    lambda source: b'{"rxpk":[{"rsig":[' + b"{}," * 20_000 + b"{}]}]}",
    lambda source: b"{" + b",".join(b'"%d":1' % at for at in range(6_000)) + b"}",
    lambda source: b'{"rxpk":[' + b",".join(json.dumps(packet(source)).encode() for _ in range(230)) + b"]}",
    lambda source: b'{"rxpk":[{"data":"' + b"A" * 64_000 + b'","size":48000,"tmst":1,"freq":868.1,"stat":1,'
    b'"modu":"LORA","datr":"SF7BW125"}]}',
]  # fmt: skip


def large(source: random.Random) -> bytes:
    return (header(source) + source.choice(LARGE)(source))[:LARGEST]


KINDS: tuple[tuple[int, Make], ...] = ((480, damaged), (400, vendor), (50, answer), (40, short), (28, pull), (2, large))


def datagrams(source: random.Random, count: int) -> Iterator[bytes]:
    """That many hostile datagrams, the same for the same source."""
    weights, makes = [weight for weight, _ in KINDS], [make for _, make in KINDS]
    for make in source.choices(makes, weights, k=count):
        yield make(source)
