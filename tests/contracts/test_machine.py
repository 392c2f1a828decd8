"""The contracts and a model in Python, driven together by Hypothesis: after every step they must agree.

Each rule sends one transaction through web3, compares the refusal's name with the model's, and then both sides' state.
Time stands still between steps but for one second a transaction, so that both know it exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import coincurve
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from chain import calls
from chain.errors import ContractRefused
from chain.network import checksum
from protocol import merkle
from protocol.encoding import sha256
from protocol.ids import Address, account_id
from protocol.keys import EpochRoot, Veto, quorum_address, sign_quorum
from protocol.parameters import Emission
from tests.chain.world import FEES, HOME, LOCK_DAYS, UNBONDING_EPOCHS, Anvil, World, build_world, device, owner_account
from tests.contracts.model import SHARES, Model, Root
from tests.contracts.views import View, Views

LEAST_STEPS = 500
STEPS_A_RUN = 120
RUNS = 6
GAS = 2_000_000
FOUNDERS = 4
STAKE = 1_000 * 10**18
EMISSION = Emission(10**24, 1_000_000)
DEVICES = 3
LEAST_STAYING = 2
AWAY = HOME + 8 * 2**12
PEOPLE = [checksum(owner_account(number)) for number in (*range(FOUNDERS + 1), 80, 81)]
"""Four founders, one who may join, and two holders."""
HOLDERS = PEOPLE[FOUNDERS + 1 :]

people = st.sampled_from(PEOPLE)
owners = st.sampled_from(PEOPLE[: FOUNDERS + 1])
devices = st.integers(0, DEVICES - 1)
fractions = st.integers(0, 1_000)
masks = st.integers(0, 63)

chains: list[Anvil] = []
steps: Counter[str] = Counter()
accepted: Counter[str] = Counter()


class Network(RuleBasedStateMachine):
    """One network from its genesis on."""

    world: World
    model: Model

    @initialize()
    def deploy(self) -> None:
        chain = chains[0]
        self.world = build_world(chain, stakes=(STAKE,) * FOUNDERS, emission=EMISSION)
        config = self.world.call("Epochs", "config")
        self.registry = checksum(self.world.network.contracts.hotspots)
        self.views = Views(chain.url, self.world.network.contracts)
        self.model = Model(
            genesis=config[3],
            length=config[4],
            window=config[7],
            close_after=config[5],
            first_emission=EMISSION.first,
            halving=EMISSION.halving_epochs,
            registration_fee=FEES.registration,
            location_fee=FEES.location,
            unbonding=UNBONDING_EPOCHS,
            founder_lock=LOCK_DAYS * 86_400,
        )
        self.keys = {checksum(quorum_address(key)): key for key in self.world.keys}
        for owner, key in zip(PEOPLE, list(self.keys), strict=False):
            self._found(owner, key)
        self.granted: Counter[int] = Counter()
        self.ids = [int.from_bytes(device(number).id, "big") for number in range(DEVICES)]
        self.ids += [int.from_bytes(account_id(Address(bytes.fromhex(one[2:]))), "big") for one in PEOPLE[3:]]
        self.model.at(chain.now_s())
        for one in [*PEOPLE, *self.keys, checksum(self.world.network.contracts.timelock)]:
            chain.rpc("anvil_setBalance", one, hex(10**22))
        newcomer = (PEOPLE[FOUNDERS], True)
        assert self.send(checksum(self.world.network.contracts.timelock), "Epochs", "admit", *newcomer) is None
        self.model.accounts[PEOPLE[FOUNDERS]].admitted = True
        for one in PEOPLE:
            assert self.send(one, "FarfieldToken", "approve", self.registry, 2**255) is None
        self._bring_to_life()

    def _bring_to_life(self) -> None:
        """A hotspot that has earned, and tokens with everybody: most of what rules try can succeed."""
        self.register(0, HOLDERS[0])
        self.submit(0, [500] * len(self.ids), 1)
        self.wait(10)
        for number in (0, *range(DEVICES, len(self.ids))):
            self.claim(number, 0)

    def _found(self, owner: str, key: str) -> None:
        from tests.contracts.model import Account, Member

        self.model.balances[owner] = self.model.locked[owner] = STAKE
        self.model.accounts[owner] = Account(key, STAKE, 0, True, True)
        self.model.members[key] = Member(owner, STAKE, 0)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.reader.close()

    # --- sending ---

    def send(self, sender: str, contract: str, function: str, *arguments: Any) -> str | None:
        """Mines a transaction one second after the last; the refusal's name, if it was refused."""
        data = self.world.reader.contract(contract).encode_abi(function, args=list(arguments))
        return self.send_data(sender, contract, data)

    def send_data(self, sender: str, contract: str, data: str) -> str | None:
        chain = self.world.anvil
        self.model.at(self.model.now + 1)
        chain.rpc("evm_setNextBlockTimestamp", self.model.now)
        transaction = {"from": sender, "to": checksum(self.world.network.contracts.of(contract)), "data": data}
        sent = self.world.reader.rpc.web3.eth.send_transaction({**transaction, "gas": GAS})  # type: ignore[typeddict-item]
        if chain.receipt("0x" + bytes(sent).hex())["status"] == "0x1":
            return None
        with pytest.raises(ContractRefused) as caught:
            self.world.estimate(transaction)
        return caught.value.name

    def compare(self, step: str, refusal: str | None, expected: str | None) -> None:
        steps[step] += 1
        accepted[step] += refusal is None
        assert refusal == expected, f"{step}: the chain says {refusal}, the model {expected}"

    def signed(self, digest: bytes, absent: int) -> tuple[bytes, int]:
        """Signatures of the present set but those whose bit is set, and their weight."""
        present = self.model.counting()
        signers = [key for number, key in enumerate(present) if not absent >> number & 1] or present[:1]
        packed = calls.pack_signatures(digest, [sign_quorum(self.keys[key], digest) for key in signers])
        return packed, sum(self.model.members[key].stake for key in signers)

    def fresh_key(self) -> str:
        key = coincurve.PrivateKey(sha256(b"machine", bytes([len(self.keys)])))
        self.keys[checksum(quorum_address(key))] = key
        self.world.anvil.rpc("anvil_setBalance", checksum(quorum_address(key)), hex(10**22))
        return checksum(quorum_address(key))

    # --- rules ---

    @rule(seconds=st.sampled_from([3, 10, 45, 60, 61, 400]))
    def wait(self, seconds: int) -> None:
        steps["wait"] += 1
        self.model.at(self.model.now + seconds)
        self.world.anvil.warp(self.model.now)

    @rule(number=devices, owner=st.sampled_from(HOLDERS))
    def register(self, number: int, owner: str) -> None:
        registration = device(number).registration(bytes.fromhex(owner[2:]))
        signature = self.world.sign_registration(device(number), registration)
        call = calls.register(self.world.network, registration, signature)
        refusal = self.send_data(PEOPLE[0], "Hotspots", "0x" + call.data.hex())
        self.compare("register", refusal, self.model.register(self.ids[number], owner, HOME))

    @rule(absent=masks, shares=st.lists(fractions, min_size=7, max_size=7), behind=st.integers(0, 2))
    def submit(self, absent: int, shares: list[int], behind: int) -> None:
        if not self.model.counting():
            return
        if absent % 8 != 6 and self.model.epoch < self.model.last_epoch + 2:
            self.wait(self.model.end_of(self.model.last_epoch + 1) - self.model.now)
        epoch = max(1, self.model.epoch - 1 + (behind == 0 and absent % 8 == 7))
        leaves = dict(self.model.live.leaves)
        room = max(0, self.model.emitted_through(epoch) - sum(leaves.values()))
        for leaf_id, share in zip(self.ids, shares, strict=True):
            if share or leaf_id in leaves:
                leaves[leaf_id] = leaves.get(leaf_id, 0) + room // len(shares) * share // 1_000
        leaves = leaves or {self.ids[-1]: 1}
        tree = merkle.build([(leaf_id.to_bytes(32, "big"), amount) for leaf_id, amount in leaves.items()])
        total = sum(leaves.values()) + (10**30 if shares[0] == 1_000 else 0)
        self.model.at(self.model.now + 1)
        set_id = self.model.current_set_id() + (shares[1] == 1_000)
        root = EpochRoot(epoch, set_id, tree.root, bytes(32), total)
        packed, weight = self.signed(self.world.network.domain.digest(root), absent if absent % 4 == 0 else 0)
        self.model.at(self.model.now - 1)
        arguments = ((epoch, set_id, tree.root, bytes(32), total), packed)
        refusal = self.send(PEOPLE[1], "Epochs", "submitRoot", *arguments)
        self.compare("submitRoot", refusal, self.model.submit(Root(epoch, total, 0, leaves), set_id, weight))

    @rule(number=st.integers(0, 6), more=st.sampled_from([0, 0, 0, 1]))
    def claim(self, number: int, more: int) -> None:
        leaf_id = self.ids[number]
        leaves = self.model.live.leaves
        amount = leaves.get(leaf_id, 0)
        if not leaves:
            return
        tree = merkle.build([(one.to_bytes(32, "big"), value) for one, value in leaves.items()])
        proof = list(tree.proof(leaf_id.to_bytes(32, "big"), amount) or ())
        # Time has gone on by a second when it is mined: the root may be another by then.
        refusal = self.send(PEOPLE[2], "Epochs", "claim", leaf_id, amount + more, proof)
        payee = PEOPLE[number - DEVICES + 3] if number >= DEVICES else self.registry
        expected = self.model.claim(leaf_id, amount + more, self.registry, payee)
        if self.model.live.leaves is not leaves and expected is None:
            self.model.claimed[leaf_id] = amount
        self.compare("claim", refusal, expected)

    @rule(number=devices, sender=people, to=people, share=fractions)
    def sell(self, number: int, sender: str, to: str, share: int) -> None:
        hotspot = self.model.hotspots.get(self.ids[number])
        if hotspot is not None and hotspot.shares[sender] == 0:
            sender = next(one for one in PEOPLE if hotspot.shares[one])
        amount = SHARES * share // 900
        if hotspot is not None and share < 900:
            amount = hotspot.shares[sender] * share // 900
        refusal = self.send(sender, "Hotspots", "safeTransferFrom", sender, to, self.ids[number], amount, b"")
        expected = self.model.transfer_shares(self.ids[number], sender, to, amount)
        if hotspot is None and amount == 0:
            expected = None
        self.compare("safeTransferFrom", refusal, expected)

    @rule(number=devices, holder=people)
    def collect(self, number: int, holder: str) -> None:
        refusal = self.send(holder, "Hotspots", "collect", [self.ids[number]])
        self.compare("collect", refusal, self.model.collect(self.ids[number], holder, self.registry))

    @rule(number=devices, sender=people, as_operator=st.booleans(), cell=st.sampled_from([HOME, AWAY]))
    def locate(self, number: int, sender: str, as_operator: bool, cell: int) -> None:
        hotspot = self.model.hotspots.get(self.ids[number])
        if as_operator and hotspot is not None:
            sender = hotspot.operator
        refusal = self.send(sender, "Hotspots", "locate", self.ids[number], cell, 0, 0)
        self.compare("locate", refusal, self.model.locate(self.ids[number], sender, cell))

    @rule(sender=people, to=people, share=fractions, extra=st.sampled_from([0, 0, 0, 1]))
    def transfer(self, sender: str, to: str, share: int, extra: int) -> None:
        amount = (self.model.balances[sender] - self.model.locked[sender]) * share // 1_000 + extra
        refusal = self.send(sender, "FarfieldToken", "transfer", to, amount)
        self.compare("transfer", refusal, self.model.transfer(sender, to, amount))

    @rule(sender=people, share=fractions)
    def burn(self, sender: str, share: int) -> None:
        amount = (self.model.balances[sender] - self.model.locked[sender]) * share // 5_000
        refusal = self.send(sender, "FarfieldToken", "burn", amount)
        self.compare("burn", refusal, self.model.burn(sender, amount))

    @rule(owner=people, share=fractions, odd=st.sampled_from([0, 0, 0, 1]))
    def join(self, owner: str, share: int, odd: int) -> None:
        free = self.model.balances[owner] - self.model.locked[owner]
        stake = self.model.accounts[owner].stake + free * share // 900 // 10**18 * 10**18 + odd
        key = self.fresh_key() if share % 5 else next(iter(self.keys))
        refusal = self.send(owner, "Epochs", "join", key, stake)
        self.compare("join", refusal, self.model.join(owner, key, stake))

    @rule(owner=owners)
    def leave(self, owner: str) -> None:
        if self.model.staying() > LEAST_STAYING or not self.model.stays(owner):
            self.compare("leave", self.send(owner, "Epochs", "leave"), self.model.leave(owner))

    @rule(owner=owners, fresh=st.booleans())
    def set_key(self, owner: str, fresh: bool) -> None:
        key = self.fresh_key() if fresh else next(iter(self.keys))
        self.compare("setKey", self.send(owner, "Epochs", "setKey", key), self.model.set_key(owner, key))

    @rule(owner=owners)
    def unlock(self, owner: str) -> None:
        self.compare("unlockStake", self.send(owner, "Epochs", "unlockStake"), self.model.unlock(owner))

    @rule(number=masks, back=st.integers(-1, 8))
    def post(self, number: int, back: int) -> None:
        key = list(self.model.members)[number % len(self.model.members)]
        epoch = max(0, self.model.epoch - 1 - back)
        refusal = self.send(key, "Epochs", "postManifest", epoch, bytes(32), [bytes(65)])
        self.compare("postManifest", refusal, self.model.post(key, epoch))

    @rule(absent=masks)
    def veto(self, absent: int) -> None:
        pending = self.model.pending
        if pending is None or pending.active_at <= self.model.now + 2 or not self.model.counting():
            return
        self.model.at(self.model.now + 1)
        on_chain = self.world.call("Epochs", "pending")
        domain = self.world.network.domain
        digest = domain.digest(Veto(pending.epoch, self.model.current_set_id(), bytes(on_chain[0])))
        packed, weight = self.signed(digest, absent)
        self.model.at(self.model.now - 1)
        refusal = self.send(PEOPLE[0], "Epochs", "veto", pending.epoch, bytes(on_chain[0]), packed)
        self.compare("veto", refusal, self.model.veto(weight))

    @rule(number=masks, reporter=people, same_set=st.booleans(), seldom=st.integers(0, 3))
    def slash(self, number: int, reporter: str, same_set: bool, seldom: int) -> None:
        key = list(self.model.members)[number % len(self.model.members)]
        owner = self.model.members[key].owner
        if same_set and (seldom or (self.model.stays(owner) and self.model.staying() <= LEAST_STAYING)):
            return
        a, b = (EpochRoot(1, 1 + (i * (not same_set)), bytes([i]) * 32, bytes(32), 0) for i in (0, 1))
        digest = self.world.network.domain.digest
        call = calls.slash_equivocation(
            self.world.network,
            a,
            b,
            (sign_quorum(self.keys[key], digest(a)), sign_quorum(self.keys[key], digest(b))),
        )
        refusal = self.send_data(reporter, "Epochs", "0x" + call.data.hex())
        expected = self.model.slash(key, reporter) if same_set else "NoContradiction"
        self.compare("slashEquivocation", refusal, expected)

    # --- what must hold after every step ---

    @invariant()
    def chain_and_model_agree(self) -> None:
        if not hasattr(self, "model"):
            return
        expected = dict(self._expected())
        assert self._ask(list(expected)) == expected

    def _expected(self) -> Iterator[tuple[View, Any]]:
        """(contract, view, arguments…) and what the model says it shows; of infoOf: operator, cell and debt."""
        model = self.model
        yield ("FarfieldToken", "minted"), model.minted
        yield ("FarfieldToken", "burned"), model.burned
        yield ("FarfieldToken", "totalSupply"), FOUNDERS * STAKE + model.minted - model.burned
        for one in (*PEOPLE, self.registry):
            yield ("FarfieldToken", "balanceOf", one), model.balances[one]
            yield ("FarfieldToken", "lockedOf", one), model.locked[one]
        yield ("Epochs", "totalStakeAt", model.epoch + 1), model.stake_at(model.epoch + 1)
        yield ("Epochs", "lastEpoch"), model.last_epoch
        for leaf in self.ids[:DEVICES]:
            hotspot = model.hotspots.get(leaf)
            if hotspot is None:
                continue
            yield ("Hotspots", "infoOf", leaf), (hotspot.operator, hotspot.cell, hotspot.debt)
            for one in PEOPLE:
                owed = hotspot.owed[one] + (hotspot.per_share - hotspot.seen[one]) * hotspot.shares[one]
                yield ("Hotspots", "balanceOf", one, leaf), hotspot.shares[one]
                yield ("Hotspots", "collectable", leaf, one), owed

    def _ask(self, views: list[View]) -> dict[View, Any]:
        found = self.views.ask(views)
        return {view: _info(one) if view[1] == "infoOf" else one for view, one in found.items()}


def _info(shown: tuple[Any, ...]) -> tuple[str, int, int]:
    """Operator, cell and debt of a hotspot's many fields."""
    return checksum(bytes.fromhex(shown[0][2:])), shown[5], shown[6]


@pytest.mark.slow
def test_five_hundred_steps_go_as_the_model_says() -> None:
    chains.append(Anvil())
    chains[0].rpc("anvil_autoImpersonateAccount", True)
    try:
        run_state_machine_as_test(
            Network,
            settings=settings(
                max_examples=RUNS,
                stateful_step_count=STEPS_A_RUN,
                deadline=None,
                derandomize=True,
                phases=(Phase.generate,),
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        chains.pop().stop()
    assert sum(steps.values()) >= LEAST_STEPS, steps
    assert {step for step, count in accepted.items() if count == 0} <= {"unlockStake"}, accepted
