"""GWMP datagrams to values and back, both directions, without any I/O.

`read_header` alone is enough to acknowledge a datagram; `read` goes on to its body. Nothing a peer sends raises: what
cannot be used comes back as a `Refused` with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from hotspot.radio.gwmp.fields import (
    MAX_LEVEL_DB,
    MAX_TEXT,
    PacketProblem,
    Rxpk,
    Stat,
    Txpk,
    read_rxpk,
    read_stat,
    read_txpk,
    write_rxpk,
    write_stat,
    write_txpk,
)
from hotspot.radio.gwmp.strict_json import BodyProblem, decimal_text, quoted, read, scaled, text, write

VERSIONS = (1, 2)
HEADER_BYTES = 4
EUI_BYTES = 8
MAX_DATAGRAM_BYTES = 65_535
MAX_PACKETS = 512
"""Entries of one datagram that are read; an SX1302 sends 255 at most, and no more whole packets fit."""


class Identifier(IntEnum):
    """The datagram types."""

    PUSH_DATA = 0
    PUSH_ACK = 1
    PULL_DATA = 2
    PULL_RESP = 3
    PULL_ACK = 4
    TX_ACK = 5


WITH_EUI = frozenset({Identifier.PUSH_DATA, Identifier.PULL_DATA, Identifier.TX_ACK})
KINDS = tuple(Identifier)
ACKNOWLEDGED_BY = {Identifier.PUSH_DATA: Identifier.PUSH_ACK, Identifier.PULL_DATA: Identifier.PULL_ACK}


class HeaderProblem(StrEnum):
    """Why a datagram is refused before its body is looked at."""

    SHORT = "SHORT"
    VERSION = "VERSION"
    IDENTIFIER = "IDENTIFIER"


@dataclass(frozen=True, slots=True)
class Header:
    """version 1 or 2; token 2 bytes; eui 8 bytes, empty from server to gateway."""

    version: int
    token: bytes
    kind: Identifier
    eui: bytes = b""

    @property
    def ack(self) -> bytes | None:
        """The reply to send, in the version the gateway speaks; None where none is due."""
        answer = ACKNOWLEDGED_BY.get(self.kind)
        return None if answer is None else bytes([self.version]) + self.token + bytes([answer])

    def encode(self) -> bytes:
        return bytes([self.version]) + self.token + bytes([self.kind]) + self.eui


@dataclass(frozen=True, slots=True)
class Refused:
    """A datagram that cannot be used, and the header if that much was good."""

    reason: HeaderProblem | BodyProblem
    header: Header | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """An entry of rxpk that cannot be used."""

    index: int
    reason: PacketProblem


@dataclass(frozen=True, slots=True)
class PushData:
    """Packets heard and status; `indexes` tells where each packet stood among the entries."""

    header: Header
    packets: tuple[Rxpk, ...] = ()
    indexes: tuple[int, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    stat: Stat | None = None
    beyond: int = 0
    """Entries not looked at, because there were more than MAX_PACKETS."""


@dataclass(frozen=True, slots=True)
class PullResp:
    """An order to transmit."""

    header: Header
    order: Txpk


@dataclass(frozen=True, slots=True)
class TxAck:
    """The answer to an order: an error refuses it, a warning names what was changed; neither means "queued"."""

    header: Header
    error: str | None = None
    warning: str | None = None
    value_cdb: int | None = None
    """With warning TX_POWER: the power used, 0.01 dBm."""


@dataclass(frozen=True, slots=True)
class Bare:
    """PUSH_ACK, PULL_ACK and PULL_DATA: a header and nothing else."""

    header: Header


Datagram = PushData | PullResp | TxAck | Bare


# --- reading --------------------------------------------------------------------------------------------------


def read_header(datagram: bytes) -> Header | Refused:
    """The header alone: all that an acknowledgement needs."""
    if len(datagram) < HEADER_BYTES:
        return Refused(HeaderProblem.SHORT)
    if datagram[0] not in VERSIONS:
        return Refused(HeaderProblem.VERSION)
    if datagram[3] > Identifier.TX_ACK:
        return Refused(HeaderProblem.IDENTIFIER)
    kind = KINDS[datagram[3]]
    eui = datagram[HEADER_BYTES : HEADER_BYTES + EUI_BYTES] if kind in WITH_EUI else b""
    if kind in WITH_EUI and len(eui) < EUI_BYTES:
        return Refused(HeaderProblem.SHORT)
    return Header(datagram[0], datagram[1:3], kind, eui)


def read_body(header: Header, datagram: bytes) -> Datagram | Refused:
    """The rest of a datagram whose header is good."""
    body = datagram[HEADER_BYTES + len(header.eui) :]
    if header.kind is Identifier.PUSH_DATA:
        return _read_push_data(header, body)
    if header.kind is Identifier.PULL_RESP:
        return _read_pull_resp(header, body)
    if header.kind is Identifier.TX_ACK:
        return _read_tx_ack(header, body)
    return Bare(header)


def decode(datagram: bytes) -> Datagram | Refused:
    """A whole datagram, whichever side sent it."""
    header = read_header(datagram)
    return header if isinstance(header, Refused) else read_body(header, datagram)


def _read_push_data(header: Header, body: bytes) -> PushData | Refused:
    tree = read(body)
    if isinstance(tree, BodyProblem):
        return Refused(tree, header)
    entries = tree.get("rxpk")
    if entries is None:
        entries = []
    if not isinstance(entries, list):
        return Refused(BodyProblem.SHAPE, header)
    packets, indexes, dropped = [], [], []
    for index, entry in enumerate(entries[:MAX_PACKETS]):
        packet = read_rxpk(entry)
        if isinstance(packet, PacketProblem):
            dropped.append(Dropped(index, packet))
        else:
            packets.append(packet)
            indexes.append(index)
    beyond = max(len(entries) - MAX_PACKETS, 0)
    return PushData(header, tuple(packets), tuple(indexes), tuple(dropped), read_stat(tree.get("stat")), beyond)


def _read_pull_resp(header: Header, body: bytes) -> PullResp | Refused:
    tree = read(body)
    if isinstance(tree, BodyProblem):
        return Refused(tree, header)
    if not isinstance(tree.get("txpk"), dict):
        return Refused(BodyProblem.SHAPE, header)
    order = read_txpk(tree["txpk"])
    return Refused(BodyProblem.FIELD, header) if isinstance(order, PacketProblem) else PullResp(header, order)


def _read_tx_ack(header: Header, body: bytes) -> TxAck | Refused:
    if not body.rstrip(b"\0"):
        return TxAck(header)
    tree = read(body)
    if isinstance(tree, BodyProblem):
        return Refused(tree, header)
    answer = tree.get("txpk_ack")
    if answer is None:
        return TxAck(header)
    if not isinstance(answer, dict):
        return Refused(BodyProblem.SHAPE, header)
    error, warning = answer.get("error"), answer.get("warn")
    if any(name is not None and text(name, MAX_TEXT) is None for name in (error, warning)):
        return Refused(BodyProblem.FIELD, header)
    if error is not None and error != "NONE":
        return TxAck(header, error=error)
    if warning is None:
        return TxAck(header)
    return TxAck(header, warning=warning, value_cdb=scaled(answer.get("value"), 2, -MAX_LEVEL_DB, MAX_LEVEL_DB))


# --- writing --------------------------------------------------------------------------------------------------


def encode(datagram: Datagram) -> bytes:
    """The bytes of a datagram; `decode` gives the same value back."""
    header = datagram.header.encode()
    if isinstance(datagram, PushData):
        return header + _push_body(datagram).encode("utf-8")
    if isinstance(datagram, PullResp):
        return header + write({"txpk": write_txpk(datagram.order)}).encode("utf-8")
    if isinstance(datagram, TxAck):
        return header + _ack_body(datagram).encode("utf-8")
    return header


def _push_body(datagram: PushData) -> str:
    packets = "[" + ",".join(write_rxpk(packet) for packet in datagram.packets) + "]"
    return write({
        "rxpk": packets if datagram.packets else None,
        "stat": None if datagram.stat is None else write_stat(datagram.stat),
    })  # fmt: skip


def _ack_body(datagram: TxAck) -> str:
    if datagram.error is not None:
        return write({"txpk_ack": write({"error": quoted(datagram.error)})})
    if datagram.warning is None:
        return ""
    value = None if datagram.value_cdb is None else decimal_text(datagram.value_cdb, 2)
    return write({"txpk_ack": write({"warn": quoted(datagram.warning), "value": value})})
