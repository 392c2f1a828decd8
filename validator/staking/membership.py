"""What the chain says of an owner account and its place among the validators, at the newest block."""

from __future__ import annotations

from dataclasses import dataclass

from chain.network import checksum
from chain.reader import ChainReader
from chain.refusals import far, moment
from protocol.ids import Address

NOBODY = bytes(20)
TOKEN = 10**18


@dataclass(frozen=True, slots=True)
class Membership:
    """An owner's stake and key; amounts in base units, times in seconds."""

    owner: Address
    key: Address | None
    stake: int
    admitted: bool
    unlocks_at_s: int
    """0 while it is a validator or has no stake."""
    now_s: int

    @property
    def leaves(self) -> bool:
        """True once it has left, or was put out, and its stake waits."""
        return self.stake > 0 and self.unlocks_at_s > 0

    @property
    def state(self) -> str:
        """ "none", "staked", "unbonding" or "unlockable"."""
        if self.stake == 0:
            return "none"
        if not self.leaves:
            return "staked"
        return "unbonding" if self.now_s < self.unlocks_at_s else "unlockable"

    @property
    def line(self) -> str:
        """The same for people, with what to do next."""
        who = checksum(self.owner)
        return {
            "none": f"{who} has no stake. `farfield validator stake` makes it a validator.",
            "staked": f"{who} has {far(self.stake)} staked.",
            "unbonding": f"{far(self.stake)} of {who} are locked until {moment(self.unlocks_at_s)}: until then it can "
            "be proved what it signed. Run `farfield validator unstake` again after that.",
            "unlockable": f"{far(self.stake)} of {who} can be unlocked now.",
        }[self.state]


def membership(reader: ChainReader, owner: Address) -> Membership:
    """Of an owner account."""
    key, stake, _, admitted, *_ = reader.call("Epochs", "accountOf", checksum(owner))
    signing = Address(bytes.fromhex(key[2:]))
    return Membership(
        owner=owner,
        key=None if signing == NOBODY else signing,
        stake=stake * TOKEN,
        admitted=admitted,
        unlocks_at_s=reader.call("Epochs", "unlocksAt", checksum(owner)),
        now_s=reader.fresh_block(reader.head()).timestamp_ms // 1_000,
    )


@dataclass(frozen=True, slots=True)
class NextEpoch:
    """When a change of the set takes effect."""

    number: int
    begins_s: int

    @property
    def words(self) -> str:
        return f"from epoch {self.number} on, which begins at {moment(self.begins_s)}"


def next_epoch(reader: ChainReader) -> NextEpoch:
    """The epoch after the one that runs now."""
    config = reader.config()
    number = reader.call("Epochs", "currentEpoch") + 1
    return NextEpoch(number, (config.genesis_ms + number * config.length_ms) // 1_000)


def stake_of_key(reader: ChainReader, key: Address) -> int:
    """Base units with which a signing key counts now; 0 if it does not."""
    if not reader.call("Epochs", "isMember", checksum(key)):
        return 0
    return int(reader.call("Epochs", "memberOf", checksum(key))[1]) * TOKEN
