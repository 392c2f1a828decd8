"""Commands as people type them, on a test's network: real keys in files, a real chain, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coincurve
from click.testing import CliRunner, Result

import farfield
from chain import calls
from chain.calls import Claim
from chain.network import checksum, dump
from protocol import merkle
from protocol.ids import Address, account_id
from protocol.keys import quorum_address
from tests.chain.world import World

COIN_WEI = 10**18
FAR = 10**18


@dataclass
class Person:
    """Somebody with a key in a file."""

    key: coincurve.PrivateKey
    file: Path

    @property
    def account(self) -> Address:
        return quorum_address(self.key)

    @property
    def text(self) -> str:
        return checksum(self.account)


@dataclass
class Terminal:
    """A terminal in a directory that holds the network's file."""

    world: World
    directory: Path

    def __post_init__(self) -> None:
        self.save()

    def save(self) -> None:
        """Writes network.json as the world has it now."""
        (self.directory / "network.json").write_text(dump(self.world.network))

    def person(self, name: str, secret: bytes | None = None, coin_wei: int = COIN_WEI) -> Person:
        """Somebody with coin for gas; a key of a test's own choice or a new one."""
        key = coincurve.PrivateKey(secret) if secret else coincurve.PrivateKey()
        file = self.directory / f"{name}.key"
        file.write_text(key.secret.hex())
        file.chmod(0o600)
        one = Person(key, file)
        self.world.anvil.rpc("anvil_setBalance", one.text, hex(coin_wei))
        return one

    def type(self, *words: object) -> Result:
        """What a command prints and ends with."""
        return CliRunner().invoke(farfield.main, [*map(str, words), "--network", str(self.directory / "network.json")])

    def run(self, *words: object) -> str:
        """What a command prints that has to end well."""
        result = self.type(*words)
        assert result.exit_code == 0, result.output + repr(result.exception)
        return result.stdout

    def json(self, *words: object) -> Any:
        """The JSON of a command that has to end well."""
        return json.loads(self.run(*words, "--json"))

    # --- what people have -------------------------------------------------------------------------------------

    def tokens(self, account: bytes) -> int:
        return int(self.world.call("FarfieldToken", "balanceOf", checksum(account)))

    def coin_wei(self, account: bytes) -> int:
        return int(self.world.anvil.rpc("eth_getBalance", checksum(account), "latest"), 16)

    def transactions(self, account: bytes) -> int:
        """How many an account has sent."""
        return int(self.world.anvil.rpc("eth_getTransactionCount", checksum(account), "latest"), 16)

    def give_tokens(self, amounts: dict[bytes, int], epoch: int = 1) -> None:
        """Makes a root live that pays these accounts, and claims it for them."""
        leaves = [(account_id(Address(account)), amount) for account, amount in amounts.items()]
        for claim in grant(self.world, epoch, leaves):
            self.world.send(calls.claim(self.world.network, claim))


def grant(
    world: World, epoch: int, leaves: Sequence[tuple[bytes, int]], data_hash: bytes = b"\x33" * 32
) -> list[Claim]:
    """Makes a root over these leaves live, and returns a claim for each."""
    tree = merkle.build(leaves)
    world.make_live(world.root(epoch, tree.root, sum(amount for _, amount in leaves), data_hash=data_hash))
    return [Claim(leaf_id, amount, tuple(tree.proof(leaf_id, amount) or ())) for leaf_id, amount in leaves]
