"""Which records are taken in: a pure decision, cheapest check first, the signature last.

A refusal is a Reason, counted and published in the epoch's manifest; it is never silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from protocol.encoding import Network, signed_bytes
from protocol.ids import Address, HotspotId
from protocol.keys import PublicKey, verify_device
from protocol.limits import COMMIT_EARLY_MS
from protocol.manifest import BEACONS, COMMITS, WITNESSES
from protocol.parameters import Windows
from protocol.reasons import Reason
from protocol.records import REPORT, Beacon, SignedBeacon, SignedWitness, Witness
from protocol.schedule import epoch_start_ms
from validator.inbox import Entry, EpochInbox, commit_row


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which epochs take records now."""

    genesis_ms: int
    windows: Windows

    def refusal(self, epoch: int, now_ms: int) -> Reason | None:
        """None from 2 s before an epoch's start until validators seal it."""
        start_ms = epoch_start_ms(self.genesis_ms, self.windows, epoch)
        if epoch < 1 or now_ms < start_ms - COMMIT_EARLY_MS:
            return Reason.WRONG_EPOCH
        sealed_ms = start_ms + self.windows.length_ms + self.windows.seal_after_ms
        return Reason.EPOCH_SEALED if now_ms >= sealed_ms else None


@dataclass(frozen=True, slots=True)
class Offer:
    """A record with what admission needs to know of its epoch and sender."""

    entry: Entry
    inbox: EpochInbox
    keys: Mapping[HotspotId, PublicKey | None]
    """Hotspots registered at B_e and their keys."""
    known: bool = False
    """It is stored already, or accepted before in the same batch."""
    ahead: int = 0
    """New rows of the same hotspot and kind accepted before it in the same batch."""


def refuse_commit(offer: Offer) -> Reason | None:
    """Why a commit inside an open session is not stored, or None; one already stored is stored once."""
    return _refuse_unsigned(offer)


def refuse_report(offer: Offer, network: Network, canonical: bytes, signature: bytes) -> Reason | None:
    """Why a report is not stored, or None."""
    refusal = _refuse_unsigned(offer)
    if refusal is not None or offer.known:
        return refusal
    key = offer.keys[offer.entry.hotspot_id]
    if key is None or not verify_device(key, signed_bytes(REPORT, network, canonical), signature):
        return Reason.SIGNATURE_REFUSED
    return None


def _refuse_unsigned(offer: Offer) -> Reason | None:
    if offer.inbox.sealed:
        return Reason.EPOCH_SEALED
    if offer.entry.hotspot_id not in offer.keys:
        return Reason.NOT_REGISTERED
    if not offer.known and not offer.inbox.within_quota(offer.entry, offer.ahead):
        return Reason.QUOTA
    return None


def commit_entry(epoch: int, hotspot_id: HotspotId, report_id: bytes, received_at_ms: int) -> Entry:
    return Entry(COMMITS, epoch, hotspot_id, commit_row(hotspot_id, report_id, received_at_ms))


def report_entry(report: Beacon | Witness, canonical: bytes, signature: bytes) -> Entry:
    kind, record = (BEACONS, SignedBeacon) if isinstance(report, Beacon) else (WITNESSES, SignedWitness)
    return Entry(kind, report.epoch, HotspotId(report.hotspot_id), record(canonical, signature).encode())


def is_this_network(report: Beacon | Witness, network: Network) -> bool:
    return Network(report.chain_id, Address(report.contract)) == network
