"""The device key as everybody but this package sees it: an id, a public key, and signatures on demand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn, Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from protocol.encoding import Network, signed_bytes
from protocol.ids import HotspotId
from protocol.keys import PrivateKey, PublicKey, coordinates, hotspot_id, sign_device


class KeyProblemError(Exception):
    """The key cannot be used; the message says why and what to do."""


class Signer(Protocol):
    """Whatever holds the private part."""

    @property
    def public(self) -> PublicKey: ...

    def sign(self, message: bytes) -> bytes:
        """64 bytes r || s, s at most n/2, over sha256 of the message. KeyProblemError if it cannot."""
        ...


class SoftwareSigner:
    """A private key in this process's memory. It cannot be copied, pickled or printed."""

    __slots__ = ("__private", "_public")

    def __init__(self, private: PrivateKey) -> None:
        self.__private = private
        self._public = private.public_key()

    @property
    def public(self) -> PublicKey:
        return self._public

    def sign(self, message: bytes) -> bytes:
        return sign_device(self.__private, message)

    def scalar(self) -> bytes:
        """The private number, 32 bytes; for hotspot.keys alone, which seals it or hands it to a token."""
        return self.__private.private_numbers().private_value.to_bytes(32, "big")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a device key is not copied")


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """A hotspot's identity. The private part never leaves its signer."""

    signer: Signer = field(repr=False)
    hotspot_id: HotspotId = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hotspot_id", hotspot_id(self.signer.public))

    @property
    def public(self) -> PublicKey:
        return self.signer.public

    @property
    def coordinates(self) -> tuple[bytes, bytes]:
        """(X, Y) of the public key, 32 bytes each."""
        return coordinates(self.signer.public)

    @property
    def public_hex(self) -> str:
        """The public key as 04 X Y in hexadecimal."""
        x, y = self.coordinates
        return f"04{x.hex()}{y.hex()}"

    def sign(self, type_name: str, network: Network, canonical: bytes) -> bytes:
        """64 bytes r || s over the type, the network and the canonical bytes. KeyProblemError if a token fails."""
        return self.signer.sign(signed_bytes(type_name, network, canonical))


def software_key(private: PrivateKey) -> DeviceKey:
    """The identity of a private key held in memory."""
    return DeviceKey(SoftwareSigner(private))


def new_software_key() -> DeviceKey:
    """A key nobody had before."""
    return software_key(ec.generate_private_key(ec.SECP256R1()))
