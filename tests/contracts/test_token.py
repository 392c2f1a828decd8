"""The token: locked stake stays, votes work, and only the Epochs contract mints."""

from __future__ import annotations

from typing import Any

from chain.calls import Call
from chain.libraries import Account
from chain.network import checksum
from protocol.ids import Address
from tests.chain.world import STAKE, World, owner_account, refuses

OWNER_KEY = bytes([0xB0]) + bytes(31)
FUNDING_WEI = 10**20
STRANGER = checksum(owner_account(70))


def data(world: World, function: str, *arguments: Any) -> Call:
    encoded = world.reader.contract("FarfieldToken").encode_abi(function, args=list(arguments))
    return Call("FarfieldToken", world.network.contracts.token, bytes.fromhex(encoded[2:]), function)


def send_as_staker(world: World, call: Call) -> Any:
    world.anvil.rpc("anvil_setBalance", Account.from_key(OWNER_KEY).address, hex(FUNDING_WEI))
    return world.send(call, OWNER_KEY)


def test_is_named_and_divided_as_agreed(world: World) -> None:
    assert [world.call("FarfieldToken", name) for name in ("name", "symbol", "decimals")] == ["Farfield", "FAR", 18]


def test_genesis_is_the_first_stakes_and_all_of_it_locked(world: World) -> None:
    assert world.call("FarfieldToken", "genesisSupply") == 4 * STAKE
    for number in range(4):
        owner = checksum(owner_account(number))
        assert world.call("FarfieldToken", "balanceOf", owner) == STAKE
        assert world.call("FarfieldToken", "lockedOf", owner) == STAKE


def test_locked_tokens_do_not_move(world: World) -> None:
    with refuses("BalanceLocked"):
        send_as_staker(world, data(world, "transfer", STRANGER, 1))


def test_tokens_above_the_lock_move(world: World) -> None:
    """The Epochs contract mints some on top; exactly those can leave."""
    epochs = checksum(world.network.contracts.epochs)
    world.anvil.rpc("anvil_impersonateAccount", epochs)
    world.anvil.rpc("anvil_setBalance", epochs, hex(FUNDING_WEI))
    mint = data(world, "mint", checksum(owner_account(0)), 10)
    sent = world.anvil.rpc(
        "eth_sendTransaction", {"from": epochs, "to": checksum(mint.to), "data": "0x" + mint.data.hex()}
    )
    assert world.anvil.receipt(sent)["status"] == "0x1"
    world.anvil.rpc("anvil_stopImpersonatingAccount", epochs)
    with refuses("BalanceLocked"):
        send_as_staker(world, data(world, "transfer", STRANGER, 11))
    send_as_staker(world, data(world, "transfer", STRANGER, 10))
    assert world.call("FarfieldToken", "balanceOf", STRANGER) == 10


def test_nobody_but_epochs_mints(world: World) -> None:
    with refuses("OnlyEpochs"):
        world.send(data(world, "mint", STRANGER, 1))
    with refuses("OnlyEpochs"):
        send_as_staker(world, data(world, "mint", STRANGER, 1))


def test_stakers_keep_their_votes(world: World) -> None:
    owner = checksum(owner_account(0))
    send_as_staker(world, data(world, "delegate", owner))
    assert world.call("FarfieldToken", "getVotes", owner) == STAKE


def test_votes_are_counted_by_timestamp(world: World) -> None:
    assert world.call("FarfieldToken", "CLOCK_MODE") == "mode=timestamp"
    assert world.call("FarfieldToken", "clock") == world.anvil.now_s()


def test_a_permit_lets_another_account_spend(world: World) -> None:
    holder = Account.from_key(OWNER_KEY)
    deadline = world.anvil.now_s() + 1_000
    signed = holder.sign_typed_data(
        {"name": "Farfield", "version": "1", "chainId": world.anvil.chain_id, "verifyingContract": _token(world)},
        {
            "Permit": [
                {"name": "owner", "type": "address"},
                {"name": "spender", "type": "address"},
                {"name": "value", "type": "uint256"},
                {"name": "nonce", "type": "uint256"},
                {"name": "deadline", "type": "uint256"},
            ]
        },
        {"owner": holder.address, "spender": STRANGER, "value": 5, "nonce": 0, "deadline": deadline},
    )
    v, r, s = signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big")
    world.send(data(world, "permit", holder.address, STRANGER, 5, deadline, v, r, s))
    assert world.call("FarfieldToken", "allowance", holder.address, STRANGER) == 5
    assert world.call("FarfieldToken", "nonces", holder.address) == 1


def _token(world: World) -> str:
    return checksum(world.network.contracts.token)


def test_epochs_is_the_minter(world: World) -> None:
    assert world.call("FarfieldToken", "epochs") == checksum(Address(world.network.contracts.epochs))
