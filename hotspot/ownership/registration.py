"""Registering a hotspot: the device signs what it is, a validator puts it on chain and pays the gas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hotspot.clock import Clock
from hotspot.keys import DeviceKey
from hotspot.playing.epochs import ChainSilentError
from hotspot.wire import CallFailed, Relayed
from protocol.encoding import Network
from protocol.ids import Address, CellId, HotspotId, Kind
from protocol.records import REGISTRATION, Registration, RegistryRow

POLL_MS = 500
FINAL_WITHIN_MS = 120_000


class Relayer(Protocol):
    """A validator, as far as registering needs one."""

    @property
    def endpoint(self) -> str: ...

    async def relay_registration(self, registration: bytes, signature: bytes) -> Relayed | CallFailed: ...


class Registry(Protocol):
    """The chain, as far as registering needs it."""

    async def registered(self, hotspot_id: HotspotId) -> RegistryRow | None:
        """The hotspot at the final block, or None. ChainSilentError."""
        ...


class RegistrationError(Exception):
    """The hotspot could not be registered; the message says what every validator answered."""


@dataclass(frozen=True, slots=True)
class Site:
    """What a hotspot is registered as."""

    owner: Address
    cell: CellId
    gain_cdb: int
    elevation_m: int
    kind: Kind


def signed_registration(device: DeviceKey, network: Network, site: Site) -> tuple[bytes, bytes]:
    """(canonical Registration, device signature)."""
    x, y = device.coordinates
    record = Registration(x, y, site.owner, site.cell, site.gain_cdb, site.elevation_m, site.kind).encode()
    return record, device.sign(REGISTRATION, network, record)


async def relay(validators: Sequence[Relayer], record: bytes, signature: bytes) -> Relayed:
    """Asks one validator after the other; RegistrationError with all their answers when none relays it."""
    problems = []
    for validator in validators:
        answer = await validator.relay_registration(record, signature)
        if isinstance(answer, Relayed):
            return answer
        problems.append(f"{validator.endpoint}: {answer.sentence}")
    raise RegistrationError("No validator put the registration on chain. " + " ".join(problems))


async def until_final(registry: Registry, hotspot_id: HotspotId, clock: Clock) -> RegistryRow:
    """The registration once its block is final; RegistrationError after two minutes."""
    deadline_ms = clock.monotonic_ms() + FINAL_WITHIN_MS
    problem = "it was not mined"
    while clock.monotonic_ms() < deadline_ms:
        try:
            row = await registry.registered(hotspot_id)
        except ChainSilentError as error:
            row, problem = None, str(error)
        if row is not None:
            return row
        await clock.sleep_ms(POLL_MS)
    raise RegistrationError(
        f"The registration was relayed but is not final after two minutes ({problem}). Run the command again later."
    )
