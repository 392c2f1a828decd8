"""What can go wrong with a chain, as people read it.

ChainError
+-- ChainUnavailable    no RPC address answers as this network's chain; try again later
|   +-- RequestRefused  one answers, but not with what was asked for
+-- ContractRefused     a contract of ours says no, by a named error
+-- TransactionFailed   a transaction cannot be sent, or was mined without effect
+-- DeployFailed        the contracts could not be deployed
"""

# ruff: noqa: N818 - each class is named for what happened
from __future__ import annotations


class ChainError(Exception):
    """Base of everything this package raises on purpose; the message is a sentence."""


class ChainUnavailable(ChainError):
    """No RPC address answers, or none answers as this network's chain. Nothing is lost: try again later."""


class RequestRefused(ChainUnavailable):
    """The chain answers a request with an error: too much was asked for, or it does not have it (yet)."""


class ContractRefused(ChainError):
    """A contract refuses a call, in a simulation or on chain."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.name = name
        """The custom error's name, for example AlreadyRegistered; "" if the contract named none."""
        self.sentence = sentence


class TransactionFailed(ChainError):
    """A transaction cannot be sent, or does not reach a final block in time."""


class DeployFailed(ChainError):
    """The contracts could not be deployed; the chain may hold parts of them, which nobody uses."""
