"""What the contracts are meant to do, once more, in plain Python. Each action returns the refusal's name, or None.

Checks come in the contracts' own order, because the first failing one names the refusal. Amounts are base units, times
seconds, stakes base units; nothing here talks to a chain.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

SHARES = 10_000
NO_END = 2**24 - 1
CLOSING_EPOCHS = 7
MAX_VALIDATORS = 64
PAUSE_S = 7 * 86_400
BETWEEN_PAUSES_S = 30 * 86_400


@dataclass
class Member:
    """A signing key and the epochs in which it counts."""

    owner: str
    stake: int
    first: int
    until: int = NO_END
    term: int = 0


@dataclass
class Account:
    """What is known of an owner account."""

    key: str = ""
    stake: int = 0
    since: int = 0
    admitted: bool = False
    founder: bool = False
    term: int = 0


@dataclass
class Root:
    """An accepted root; its leaves by id."""

    epoch: int = 0
    total: int = 0
    active_at: int = 0
    leaves: dict[int, int] = field(default_factory=dict)


@dataclass
class Hotspot:
    """A hotspot, its shares and its income."""

    operator: str
    cell: int
    debt: int
    shares: Counter[str]
    per_share: int = 0
    rest: int = 0
    owed: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)

    def settle(self, holder: str) -> None:
        self.owed[holder] += (self.per_share - self.seen[holder]) * self.shares[holder]
        self.seen[holder] = self.per_share


@dataclass
class Model:
    """A network."""

    genesis: int
    length: int
    window: int
    close_after: int
    first_emission: int
    halving: int
    registration_fee: int
    location_fee: int
    unbonding: int
    founder_lock: int
    now: int = 0
    balances: Counter[str] = field(default_factory=Counter)
    locked: Counter[str] = field(default_factory=Counter)
    minted: int = 0
    burned: int = 0
    members: dict[str, Member] = field(default_factory=dict)
    accounts: defaultdict[str, Account] = field(default_factory=lambda: defaultdict(Account))
    set_id: int = 1
    changed_for: int = 0
    posted: set[tuple[int, str]] = field(default_factory=set)
    live: Root = field(default_factory=Root)
    pending: Root | None = None
    last_epoch: int = 0
    paused_until: int = 0
    claimed: Counter[int] = field(default_factory=Counter)
    hotspots: dict[int, Hotspot] = field(default_factory=dict)

    # --- clock and set ---

    def at(self, second: int) -> None:
        """Time goes on; a root whose window has passed is live."""
        self.now = second
        if self.pending is not None and second >= self.pending.active_at:
            self.live, self.pending = self.pending, None

    @property
    def epoch(self) -> int:
        return max(0, (self.now - self.genesis) // self.length)

    def end_of(self, epoch: int) -> int:
        return self.genesis + (epoch + 1) * self.length

    def stake_at(self, epoch: int) -> int:
        """Stake of an epoch's set. Every key tells from when to when it counted, so nothing else is kept."""
        return sum(one.stake for one in self.members.values() if one.first <= epoch < one.until)

    def counting(self) -> list[str]:
        return [key for key, one in self.members.items() if one.first <= self.epoch < one.until]

    def current_set_id(self) -> int:
        return self.set_id - (self.changed_for > self.epoch)

    def stays(self, owner: str) -> bool:
        member = self.members.get(self.accounts[owner].key)
        return member is not None and member.until == NO_END

    def staying(self) -> int:
        return sum(one.until == NO_END for one in self.members.values())

    def _changed(self) -> None:
        if self.changed_for <= self.epoch:
            self.changed_for = self.epoch + 1
            self.set_id += 1

    def emitted_through(self, epoch: int) -> int:
        return sum(self.first_emission >> (one // self.halving) for one in range(epoch + 1))

    # --- token ---

    def transfer(self, sender: str, to: str, amount: int) -> str | None:
        if amount > self.balances[sender]:
            return "ERC20InsufficientBalance"
        if self.balances[sender] - amount < self.locked[sender] and sender != to:
            return "BalanceLocked"
        self.balances[sender] -= amount
        self.balances[to] += amount
        return None

    def burn(self, sender: str, amount: int) -> str | None:
        if amount > self.balances[sender]:
            return "ERC20InsufficientBalance"
        if self.balances[sender] - amount < self.locked[sender]:
            return "BalanceLocked"
        self.balances[sender] -= amount
        self.burned += amount
        return None

    # --- validators ---

    def join(self, owner: str, key: str, stake: int) -> str | None:
        account = self.accounts[owner]
        if not account.admitted:
            return "NotAdmitted"
        if self.stays(owner):
            return "AlreadyMember"
        if stake == 0 or stake % 10**18:
            return "StakeNotWhole"
        if stake < account.stake:
            return "StakeBelowLocked"
        if key in self.members:
            return "KeyUsed"
        if stake - account.stake > self.balances[owner] - self.locked[owner]:
            return "NotEnoughToLock"
        self.locked[owner] += stake - account.stake
        self._changed()
        account.key, account.stake, account.since = key, stake, self.epoch + 1
        self.members[key] = Member(owner, stake, self.epoch + 1, term=self.accounts[owner].term)
        return None

    def leave(self, owner: str) -> str | None:
        if not self.stays(owner):
            return "NotAMember"
        self._changed()
        self.members[self.accounts[owner].key].until = self.epoch + 1
        return None

    def set_key(self, owner: str, key: str) -> str | None:
        if not self.stays(owner):
            return "NotAMember"
        if key in self.members:
            return "KeyUsed"
        self._changed()
        old = self.members[self.accounts[owner].key]
        old.until = self.epoch + 1
        self.members[key] = Member(owner, old.stake, self.epoch + 1, term=self.accounts[owner].term)
        self.accounts[owner].key = key
        return None

    def unlock(self, owner: str) -> str | None:
        account = self.accounts[owner]
        if account.stake == 0:
            return "NothingStaked"
        if self.stays(owner):
            return "AlreadyMember"
        free_at = self.end_of(self.members[account.key].until + self.unbonding - 1)
        if self.now < max(free_at, self.genesis + self.founder_lock if account.founder else 0):
            return "StillBonded"
        self.locked[owner] -= account.stake
        account.stake, account.founder = 0, False
        account.term += 1
        return None

    def slash(self, key: str, reporter: str) -> str | None:
        owner = self.members[key].owner
        account = self.accounts[owner]
        if account.stake == 0 or self.members[key].term != account.term:
            return "NothingStaked"
        stake, reward = account.stake, account.stake // 10
        if self.stays(owner):
            self.leave(owner)
        account.stake, account.founder, account.admitted = 0, False, False
        account.term += 1
        self.locked[owner] -= stake
        self.balances[owner] -= stake
        self.balances[reporter] += reward
        self.burned += stake - reward
        return None

    def post(self, key: str, epoch: int) -> str | None:
        member = self.members.get(key)
        if member is None or not (self.epoch < member.until or self.accounts[member.owner].key == key):
            return "NotAValidator"
        if epoch == 0:
            return "NoManifestForSetUp"
        if self.now < self.end_of(epoch):
            return "EpochNotOver"
        if self.now >= self.end_of(epoch) + CLOSING_EPOCHS * self.length:
            return "EpochClosed"
        if (epoch, member.owner) in self.posted:
            return "AlreadyPosted"
        self.posted.add((epoch, member.owner))
        return None

    # --- roots ---

    def submit(self, root: Root, set_id: int, weight: int) -> str | None:
        if self.now < self.paused_until:
            return "IsPaused"
        if self.now < self.end_of(root.epoch):
            return "EpochNotOver"
        if set_id != self.current_set_id():
            return "WrongSet"
        if root.epoch <= self.last_epoch:
            return "EpochNotNew"
        if self.pending is not None:
            return "RootPending"
        if root.total < self.live.total:
            return "TotalFell"
        if root.total > self.emitted_through(root.epoch):
            return "AboveEmission"
        if 3 * weight <= 2 * self.stake_at(self.epoch):
            return "NoQuorum"
        root.active_at = self.now + self.window
        self.pending, self.last_epoch = root, root.epoch
        return None

    def veto(self, weight: int) -> str | None:
        if self.pending is None:
            return "NotPending"
        if 3 * weight <= self.stake_at(self.epoch):
            return "NotAThird"
        self.pending = None
        return None

    def pause(self, weight: int) -> str | None:
        if self.paused_until and self.now < self.paused_until + BETWEEN_PAUSES_S:
            return "PauseTooSoon"
        if 3 * weight <= self.stake_at(self.epoch):
            return "NotAThird"
        self.paused_until = self.now + PAUSE_S
        return None

    def claim(self, leaf_id: int, amount: int, registry: str, payee: str) -> str | None:
        if self.now < self.paused_until:
            return "IsPaused"
        if leaf_id not in self.live.leaves or self.live.leaves[leaf_id] != amount:
            return "BadProof"
        if amount <= self.claimed[leaf_id]:
            return "NothingToClaim"
        due = amount - self.claimed[leaf_id]
        if leaf_id >> 255:
            if leaf_id not in self.hotspots:
                return "NotRegistered"
            self._deposit(self.hotspots[leaf_id], due, registry)
        else:
            self.balances[payee] += due
        self.claimed[leaf_id] = amount
        self.minted += due
        return None

    def _deposit(self, hotspot: Hotspot, amount: int, registry: str) -> None:
        fee = min(amount, hotspot.debt)
        hotspot.debt -= fee
        self.burned += fee
        self.balances[registry] += amount - fee
        more, hotspot.rest = divmod(amount - fee + hotspot.rest, SHARES)
        hotspot.per_share += more

    # --- hotspots ---

    def register(self, hotspot_id: int, owner: str, cell: int) -> str | None:
        if hotspot_id in self.hotspots:
            return "AlreadyRegistered"
        self.hotspots[hotspot_id] = Hotspot(owner, cell, self.registration_fee, Counter({owner: SHARES}))
        return None

    def transfer_shares(self, hotspot_id: int, sender: str, to: str, amount: int) -> str | None:
        hotspot = self.hotspots.get(hotspot_id)
        if hotspot is None or hotspot.shares[sender] < amount:
            return "ERC1155InsufficientBalance"
        hotspot.settle(sender)
        hotspot.settle(to)
        hotspot.shares[sender] -= amount
        hotspot.shares[to] += amount
        if 2 * hotspot.shares[to] > SHARES:
            hotspot.operator = to
        return None

    def collect(self, hotspot_id: int, holder: str, registry: str) -> str | None:
        hotspot = self.hotspots.get(hotspot_id)
        if hotspot is None:
            return None
        hotspot.settle(holder)
        self.balances[registry] -= hotspot.owed[holder]
        self.balances[holder] += hotspot.owed[holder]
        hotspot.owed[holder] = 0
        return None

    def locate(self, hotspot_id: int, sender: str, cell: int) -> str | None:
        hotspot = self.hotspots.get(hotspot_id)
        if hotspot is None:
            return "NotRegistered"
        if hotspot.operator != sender:
            return "NotOperator"
        if hotspot.cell != cell:
            refusal = self.burn(sender, self.location_fee)
            if refusal is not None:
                return refusal
            hotspot.cell = cell
        return None
