"""farfield validator stake, unstake, set-key, suspend, veto, pause, on a real chain."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chain import calls
from chain.calls import Call
from chain.errors import ChainUnavailable
from chain.network import checksum
from protocol.ids import Address
from tests.chain.conftest import anvil_chain, make_world, terminal
from tests.chain.terminal import FAR, Person, Terminal
from tests.chain.world import STAKE, WINDOWS, World, owner_account, refuses
from validator.staking import membership

__all__ = ["anvil_chain", "make_world", "terminal"]
SLOW = dataclasses.replace(WINDOWS, length_ms=600_000, challenge_window_ms=300_000)


def secret(kind: int, number: int) -> bytes:
    return bytes([kind]) + number.to_bytes(31, "big")


def owner(terminal: Terminal, number: int) -> Person:
    """The owner account of a first validator."""
    return terminal.person(f"owner-{number}", secret(0xB0, number))


def signing(terminal: Terminal, number: int) -> Path:
    """The signing key's file of a first validator."""
    return terminal.person(f"signing-{number}", secret(0xA0, number)).file


def new_key(terminal: Terminal, name: str = "new") -> tuple[Path, str]:
    file = terminal.directory / f"{name}.signing"
    told = terminal_json("validator", "keys", "new", "--key-file", file)
    return file, told["key"]


def terminal_json(*words: object) -> Any:
    """A command without --network."""
    from click.testing import CliRunner

    import farfield

    result = CliRunner().invoke(farfield.main, [*map(str, words), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def by_vote(world: World, call: Call) -> None:
    """Sends what only the Timelock may, as a vote would."""
    timelock = checksum(world.network.contracts.timelock)
    world.anvil.rpc("anvil_impersonateAccount", timelock)
    world.anvil.rpc("anvil_setBalance", timelock, hex(10**18))
    sent = world.anvil.rpc(
        "eth_sendTransaction", {"from": timelock, "to": checksum(call.to), "data": "0x" + call.data.hex()}
    )
    assert world.anvil.receipt(sent)["status"] == "0x1"


def epoch(terminal: Terminal) -> int:
    return int(terminal.world.call("Epochs", "currentEpoch"))


def warp_into(terminal: Terminal, number: int) -> None:
    terminal.world.warp_past(number - 1)


def is_member(terminal: Terminal, key: str) -> bool:
    return bool(terminal.world.call("Epochs", "isMember", checksum(Address(bytes.fromhex(key[2:])))))


# --- stake and unstake ----------------------------------------------------------------------------------------------


@pytest.fixture
def newcomer(terminal: Terminal) -> Person:
    """Holds 700 tokens; nobody voted it in yet."""
    one = terminal.person("newcomer")
    terminal.give_tokens({one.account: 700 * FAR})
    return one


def test_who_was_voted_in_stakes_and_signs_from_the_next_epoch_on(terminal: Terminal, newcomer: Person) -> None:
    by_vote(terminal.world, calls.admit(terminal.world.network, newcomer.account, True))
    file, key = new_key(terminal)
    told = terminal.json("validator", "stake", "600", "--signing-key", file, "--key", newcomer.file)
    assert told["effective_epoch"] == epoch(terminal) + 1
    assert not is_member(terminal, key)
    warp_into(terminal, told["effective_epoch"])
    assert is_member(terminal, key)
    assert terminal.world.call("FarfieldToken", "lockedOf", newcomer.text) == 600 * FAR
    assert terminal.tokens(newcomer.account) == 700 * FAR


@pytest.mark.parametrize(
    ("admitted", "amount", "error"),
    [(False, "600", "NotAdmitted"), (True, "0.5", "StakeNotWhole"), (True, "701", "NotEnoughToLock")],
)
def test_a_stake_the_contract_refuses_is_not_sent(
    terminal: Terminal, newcomer: Person, admitted: bool, amount: str, error: str
) -> None:
    by_vote(terminal.world, calls.admit(terminal.world.network, newcomer.account, admitted))
    file, _ = new_key(terminal)
    result = terminal.type("validator", "stake", amount, "--signing-key", file, "--key", newcomer.file, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["steps"][0]["error"] == error
    assert terminal.transactions(newcomer.account) == 0


def test_unstake_leaves_then_says_until_when_then_unlocks(terminal: Terminal, newcomer: Person) -> None:
    by_vote(terminal.world, calls.admit(terminal.world.network, newcomer.account, True))
    file, key = new_key(terminal)
    terminal.run("validator", "stake", "600", "--signing-key", file, "--key", newcomer.file)
    warp_into(terminal, epoch(terminal) + 1)

    left = terminal.json("validator", "unstake", "--key", newcomer.file)
    assert left["state"] == "unbonding"
    warp_into(terminal, epoch(terminal) + 1)
    assert not is_member(terminal, key)

    again = terminal.type("validator", "unstake", "--key", newcomer.file, "--json")
    assert again.exit_code == 3
    assert json.loads(again.stdout)["unlocks_at_s"] == left["unlocks_at_s"]
    assert "are locked until 20" in again.stderr

    terminal.world.anvil.warp(left["unlocks_at_s"])
    assert "The stake is free." in terminal.run("validator", "unstake", "--key", newcomer.file)
    assert terminal.world.call("FarfieldToken", "lockedOf", newcomer.text) == 0
    assert terminal.type("validator", "unstake", "--key", newcomer.file).exit_code == 3


def test_leaving_is_told_though_the_stake_cannot_be_looked_up_after_it(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def once(*arguments: Any) -> Any:
        asked.append(arguments)
        if len(asked) > 1:
            raise ChainUnavailable("Nothing answers.")
        return real(*arguments)

    real = membership.membership
    monkeypatch.setattr(membership, "membership", once)
    result = terminal.type("validator", "unstake", "--key", owner(terminal, 0).file, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["final"], told["state"], told["unlocks_at_s"]) == (True, None, None)
    assert "How the stake stands now cannot be read: Nothing answers." in result.stderr


def test_a_founders_stake_stays_for_a_year(terminal: Terminal) -> None:
    one = owner(terminal, 0)
    told = terminal.json("validator", "unstake", "--key", one.file)
    assert told["unlocks_at_s"] == terminal.world.plan.genesis_ms // 1_000 + 365 * 86_400


# --- set-key ----------------------------------------------------------------------------------------------------------


def test_another_key_signs_from_the_next_epoch_on(terminal: Terminal) -> None:
    one, (file, key) = owner(terminal, 1), new_key(terminal)
    told = terminal.json("validator", "set-key", "--signing-key", file, "--key", one.file)
    warp_into(terminal, told["effective_epoch"])
    assert is_member(terminal, key)
    assert terminal.world.call("Epochs", "keyOf", one.text).lower() == key


def test_a_key_file_whose_name_is_not_utf8_is_told(terminal: Terminal) -> None:
    file, _ = new_key(terminal, "\udcff")
    told = terminal.run("validator", "set-key", "--signing-key", file, "--key", owner(terminal, 0).file)
    assert "Restart the validator with --key-file" in told


def test_a_key_is_never_taken_twice(terminal: Terminal) -> None:
    one = owner(terminal, 1)
    words = ("validator", "set-key", "--signing-key", signing(terminal, 1), "--key", one.file, "--json")
    result = terminal.type(*words)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["steps"][0]["error"] == "KeyUsed"


def test_a_key_file_others_can_read_is_exit_code_6(terminal: Terminal) -> None:
    one, (file, _) = owner(terminal, 1), new_key(terminal)
    file.chmod(0o644)
    result = terminal.type("validator", "set-key", "--signing-key", file, "--key", one.file)
    assert (result.exit_code, "can be read by others" in result.stderr) == (6, True)


# --- suspend ----------------------------------------------------------------------------------------------------------


def test_who_posts_is_not_suspended(terminal: Terminal) -> None:
    stranger = terminal.person("stranger")
    words = ("validator", "suspend", checksum(owner_account(0)), "--key", stranger.file, "--json")
    result = terminal.type(*words)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["steps"][0]["error"] == "MemberForTooShort"
    assert terminal.transactions(stranger.account) == 0


def test_who_is_silent_for_seven_epochs_while_others_post_is_suspended(terminal: Terminal) -> None:
    keys = [secret(0xA0, number) for number in (1, 2, 3)]
    for number in (1, 2, 3):
        signing(terminal, number)  # coin for gas
    for one in range(1, 8):
        terminal.world.warp_past(one)
        for key in keys:
            terminal.world.send(calls.post_manifest(terminal.world.network, one, bytes([one]) * 32, [b"\1" * 65]), key)
    terminal.world.anvil.warp(terminal.world.end_of(7) + WINDOWS.close_after_ms // 1_000)
    told = terminal.json("validator", "suspend", checksum(owner_account(0)), "--key", terminal.person("stranger").file)
    warp_into(terminal, told["effective_epoch"])
    assert terminal.world.call("Epochs", "totalStake") == 3 * STAKE


# --- veto -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(make_world: Callable[..., World], tmp_path: Path) -> Terminal:
    """A network on which the root of epoch 1 waits for its window."""
    terminal = Terminal(make_world(confirmations=0, windows=SLOW), tmp_path)
    terminal.world.warp_past(1)
    terminal.world.submit(terminal.world.root(1, total=5))
    return terminal


def signed(terminal: Terminal, number: int, *words: object) -> Path:
    file = terminal.directory / f"signed-{number}.json"
    terminal.run("validator", *words, "--signing-key", signing(terminal, number), "--out", file)
    return file


def test_more_than_a_third_of_the_stake_drops_a_waiting_root(waiting: Terminal) -> None:
    files = [signed(waiting, number, "veto", "sign", 1) for number in (2, 0)]
    both = waiting.directory / "both.json"
    told = waiting.json("validator", "veto", "combine", *files, "--out", both)
    assert (told["enough"], told["signed"]) == (True, str(2 * STAKE))
    stranger = waiting.person("stranger")
    assert waiting.json("validator", "veto", "submit", both, "--key", stranger.file)["final"] is True
    assert waiting.world.call("Epochs", "pending")[2] == 0
    assert waiting.world.call("Epochs", "lastEpoch") == 1


def test_a_third_or_less_is_not_sent(waiting: Terminal) -> None:
    file = signed(waiting, 0, "veto", "sign", 1)
    stranger = waiting.person("stranger")
    result = waiting.type("validator", "veto", "submit", file, file, "--key", stranger.file)
    assert result.exit_code == 3
    assert "1000000 FAR of 4000000 FAR signed, not more than a third" in result.stderr
    assert waiting.transactions(stranger.account) == 0


def test_with_force_it_is_sent_and_fails_on_chain(waiting: Terminal) -> None:
    file = signed(waiting, 0, "veto", "sign", 1)
    stranger = waiting.person("stranger")
    result = waiting.type("validator", "veto", "submit", file, "--key", stranger.file, "--force", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["steps"][0]["error"] == "NotAThird"
    assert waiting.transactions(stranger.account) == 1
    assert waiting.world.call("Epochs", "pending")[2] == 1


def test_only_a_root_that_waits_is_signed_against(waiting: Terminal) -> None:
    result = waiting.type("validator", "veto", "sign", 2, "--signing-key", signing(waiting, 0))
    assert result.exit_code == 3
    assert "that of epoch 1 does" in result.stderr


def test_only_a_validator_signs(waiting: Terminal) -> None:
    result = waiting.type("validator", "veto", "sign", 1, "--signing-key", waiting.person("stranger").file)
    assert result.exit_code == 1
    assert "signs for no validator now" in result.stderr


def test_a_file_that_is_there_is_never_overwritten(waiting: Terminal) -> None:
    file = signed(waiting, 0, "veto", "sign", 1)
    before = file.read_bytes()
    result = waiting.type("validator", "veto", "sign", 1, "--signing-key", signing(waiting, 1), "--out", file)
    assert (result.exit_code, file.read_bytes()) == (1, before)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"chain_id": 1}, "another network"),
        ({"signatures": ["0x12"]}, "no file of signatures"),
        ({"signatures": ["0x" + "12" * 65] * 65}, "no file of signatures"),
        ({"what": "gift"}, "no file of signatures"),
        ({"root": 5}, "no file of signatures"),
        ({"epoch": True}, "no file of signatures"),
    ],
)
def test_a_file_that_is_no_petition_is_a_sentence(waiting: Terminal, change: dict[str, Any], sentence: str) -> None:
    file = signed(waiting, 0, "veto", "sign", 1)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    result = waiting.type("validator", "veto", "submit", file, "--key", waiting.person("stranger").file)
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert str(file) in result.stderr


def test_forged_signatures_count_for_nothing(waiting: Terminal) -> None:
    file = signed(waiting, 0, "veto", "sign", 1)
    tree = json.loads(file.read_text())
    tree["signatures"] += ["0x" + "01" * 64 + "1b", "0x" + "00" * 65]
    file.write_text(json.dumps(tree))
    told = waiting.json("validator", "veto", "combine", file, "--out", waiting.directory / "out.json")
    assert (told["signed"], told["enough"]) == (str(STAKE), False)


@pytest.mark.parametrize("as_json", [True, False])
def test_a_file_whose_name_is_not_utf8_is_written_and_told(waiting: Terminal, as_json: bool) -> None:
    out = waiting.directory / "\udcff.json"
    words = ("validator", "veto", "sign", 1, "--signing-key", signing(waiting, 0), "--out", out)
    result = waiting.type(*words, *["--json"] * as_json)
    assert (result.exit_code, out.exists()) == (0, True), result.exception
    assert json.loads(result.stdout)["file"] == str(out) if as_json else "holds signatures" in result.stdout


def test_files_against_different_roots_are_not_joined(waiting: Terminal) -> None:
    files = [signed(waiting, number, "veto", "sign", 1) for number in (0, 1)]
    tree = json.loads(files[1].read_text())
    files[1].write_text(json.dumps(tree | {"root": "0x" + "44" * 32}))
    result = waiting.type("validator", "veto", "combine", *files, "--out", waiting.directory / "out.json")
    assert (result.exit_code, "do not ask for the same" in result.stderr) == (1, True)


def test_signatures_of_an_old_set_have_to_be_given_again(waiting: Terminal) -> None:
    files = [signed(waiting, number, "veto", "sign", 1) for number in (0, 1)]
    one, (new, _) = owner(waiting, 3), new_key(waiting)
    waiting.run("validator", "set-key", "--signing-key", new, "--key", one.file)
    warp_into(waiting, epoch(waiting) + 1)
    result = waiting.type("validator", "veto", "submit", *files, "--key", waiting.person("stranger").file)
    assert result.exit_code == 3
    assert "Set 1 signed this, but set 2 is in force" in result.stderr


# --- pause ------------------------------------------------------------------------------------------------------------


def test_more_than_a_third_of_the_stake_stops_roots_and_claims(terminal: Terminal) -> None:
    files = [signed(terminal, number, "pause", "sign") for number in (1, 3)]
    stranger = terminal.person("stranger")
    shown = terminal.run("validator", "pause", "submit", *files, "--key", stranger.file)
    assert "Roots and claims stop for seven days (pause number 1)." in shown
    terminal.world.warp_past(1)
    with refuses("IsPaused"):
        terminal.world.submit(terminal.world.root(1))


def test_what_was_signed_for_a_pause_is_no_veto(terminal: Terminal) -> None:
    files = [signed(terminal, number, "pause", "sign") for number in (1, 3)]
    result = terminal.type("validator", "veto", "submit", *files, "--key", terminal.person("stranger").file)
    assert result.exit_code == 1
    assert "asks for a pause: use `farfield validator pause`" in result.stderr


@pytest.mark.parametrize("words", [["stake"], ["unstake"], ["set-key"], ["suspend"], ["veto", "sign"], ["pause"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys; from farfield import main\n"
        f"try: main(['validator', *{words!r}, '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'grpc', 'web3', 'h3', 'structlog', 'coincurve', 'duckdb'} & set(sys.modules)\n"
        "sys.exit(f'imported {sorted(heavy)}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
