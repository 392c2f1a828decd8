"""One validator's gateway, and the sessions, commits, reports and registrations to hand to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from protocol.encoding import U32, sha256, signed_bytes
from protocol.ids import ReportId
from protocol.keys import coordinates, sign_device
from protocol.reasons import Reason
from protocol.records import REGISTRATION, SESSION, Beacon, Registration, Session
from tests.factories import NETWORK, Device, device_key, north_of_ulm, sign_report
from tests.validator.nodes import EPOCH, LocalNetwork, Node, start_ms, three_devices
from validator.gateway import CommitEntry, ReportEntry, Taken

DEVICES = three_devices()
SEALED_MS = start_ms(2) + EPOCH.seal_after_ms


@asynccontextmanager
async def one_validator(directory: Path, now_ms: int = start_ms(1) + 10_000, **bent: Any) -> AsyncIterator[Node]:
    network = LocalNetwork(directory)
    network.chain.register(*DEVICES)
    network.clock.time_ms = now_ms
    await network.start(1, **bent)
    try:
        yield network.nodes[1]
    finally:
        await network.stop()


def session_record(node: Node, device: Device, **bent: Any) -> tuple[Session, bytes]:
    now_ms = node.network.clock.now_ms()
    fields = {
        "hotspot_id": device.hotspot_id,
        "validator": node.owner,
        "server_nonce": node.gateway.challenge()[0],
        "expires_at_ms": now_ms + 3_600_000,
    }
    session = Session(**{**fields, **bent})
    return session, sign_device(device.key, signed_bytes(SESSION, NETWORK, session.encode()))


async def open_session(node: Node, device: Device = DEVICES[0], **bent: Any) -> bytes:
    [token] = await node.gateway.open_sessions([session_record(node, device, **bent)])
    assert isinstance(token, bytes)
    return token


def commits(token: bytes, numbers: range, epoch: int = 1) -> list[CommitEntry]:
    return [CommitEntry(token, epoch, ReportId(sha256(U32.encode(number)))) for number in numbers]


def report(number: int = 0, device: Device = DEVICES[0], epoch: int = 1, **bent: Any) -> ReportEntry:
    fields = {
        "chain_id": NETWORK.chain_id,
        "contract": NETWORK.hotspots,
        "hotspot_id": device.hotspot_id,
        "epoch": epoch,
        "salt": bytes(16),
        "slot": number,
        "nonce": bytes(32),
        "frequency_hz": 868_100_000,
        "spreading_factor": 7,
        "bandwidth_hz": 125_000,
        "power_cdb": 1_400,
        "sent_at_ms": start_ms(epoch),
        "cell": 0,
    }
    beacon = Beacon(**{**fields, **bent})
    return ReportEntry(beacon, beacon.encode(), sign_report(device, beacon.encode()))


def reasons(taken: Taken) -> list[Reason]:
    return [reason for _, reason in taken.refusals]


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def registration(name: str, owner: str = "owner") -> tuple[Registration, bytes]:
    key = device_key(name)
    x, y = coordinates(key.public_key())
    record = Registration(x, y, sha256(owner.encode())[:20], north_of_ulm(3), 200, 10, 0)
    return record, sign_device(key, signed_bytes(REGISTRATION, NETWORK, record.encode()))
