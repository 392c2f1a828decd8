"""Puts device-signed registrations on chain for owners who have no gas; this validator pays, within daily limits."""

from __future__ import annotations

from dataclasses import dataclass

from chain.calls import register
from chain.errors import ChainError, ChainUnavailable
from chain.journal import JournalFailed
from chain.reader import ChainReader
from chain.sender import Sender
from protocol.encoding import signed_bytes
from protocol.ids import HotspotId
from protocol.keys import hotspot_id, public_key, verify_device
from protocol.records import REGISTRATION, Registration
from validator.daily_limits import DailyLimits

MOST_GAS = 400_000
"""Twice what a registration takes. An owner that is a contract is told of its shares and may do anything then."""
OVER_LIMIT = (
    "This validator has relayed enough registrations for this owner, this address or everybody today; "
    "ask another validator, or come back tomorrow."
)


class RelayRefusedError(Exception):
    """The registration is not relayed; the message is a sentence. `over_limit`: it would be tomorrow."""

    def __init__(self, sentence: str, *, over_limit: bool = False) -> None:
        super().__init__(sentence)
        self.over_limit = over_limit


@dataclass(frozen=True, slots=True)
class Relayed:
    """A registration on its way into the chain."""

    hotspot_id: HotspotId
    transaction_hash: bytes


class Relay:
    """The relay of one validator."""

    def __init__(self, reader: ChainReader, sender: Sender, limits: DailyLimits) -> None:
        self._reader, self._sender, self._limits = reader, sender, limits

    def register(self, registration: Registration, signature: bytes, host: str) -> Relayed:
        """Sends the registration; RelayRefusedError if it is not signed, over a limit, or the contract refuses it.

        ChainUnavailable, and OSError when this machine's disk fails, cost nothing of the limits.
        """
        key = public_key(registration.x, registration.y)
        message = signed_bytes(REGISTRATION, self._reader.network.network, registration.encode())
        if key is None or not verify_device(key, message, signature):
            raise RelayRefusedError("The registration is not signed by the device key it names.")
        if not self._limits.spend(registration.owner, host):
            raise RelayRefusedError(OVER_LIMIT, over_limit=True)
        try:
            call = register(self._reader.network, registration, signature)
            transaction = self._sender.send(call, most_gas=MOST_GAS)
        except ChainUnavailable:
            self._limits.give_back(registration.owner, host)
            raise
        except JournalFailed as error:
            self._limits.give_back(registration.owner, host)
            raise OSError(error.why) from error
        except ChainError as error:
            raise RelayRefusedError(str(error)) from error
        return Relayed(hotspot_id(key), transaction)
