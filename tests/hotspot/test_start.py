"""Starting: directories that fit, and a network that is what its file says, or a sentence."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chain.errors import ChainUnavailable
from chain.network import Contracts, NetworkFile, ValidatorEntry
from chain.reader import WRONG_CHAIN
from hotspot import keys
from hotspot.config import CONFIG_FILE, Endpoint
from hotspot.playing.rules import CACHE_DIRECTORY
from hotspot.running.start import StartError, common_directory, join, locked, open_homes, window_lines
from protocol.encoding import sha256
from protocol.ids import Address
from protocol.parameters import params_hash
from protocol.rulebook import TEXT
from protocol.version import PROTOCOL_VERSION
from tests.hotspot.fake_validator import NETWORK
from tests.hotspot.test_rules import PARAMS, REGION_ROWS, Validator
from tests.hotspot.world import PARAMS as PARSED

FILE = NetworkFile(
    name="test",
    chain_id=NETWORK.chain_id,
    genesis_hash=bytes(32),
    rpc_urls=("http://127.0.0.1:1",),
    contracts=Contracts(
        token=Address(b"t" * 20),
        hotspots=NETWORK.hotspots,
        epochs=Address(b"\x22" * 20),
        timelock=Address(b"l" * 20),
        governor=Address(b"g" * 20),
    ),
    deployed_block=0,
    params_hash=params_hash(PARAMS, TEXT),
    validators=(ValidatorEntry(Address(b"o" * 20), Address(b"k" * 20), "127.0.0.1:1"),),
    map_url="",
    confirmations=None,
    simulated=None,
)


class Reader:
    """A chain that says what a test wants."""

    def __init__(self, findings: list[str] | None = None, **config: Any) -> None:
        self.network = FILE
        self.findings = findings or []
        self.answers = True
        facts = {
            "genesis_ms": 5_000,
            "length_ms": 60_000,
            "params_hash": FILE.params_hash,
            "hotspots": NETWORK.hotspots,
        }
        self._config = SimpleNamespace(**(facts | config))

    def check(self) -> list[str]:
        if not self.answers:
            raise ChainUnavailable("No RPC address answers.")
        return self.findings

    def config(self) -> Any:
        return self._config


def joined(reader: Reader, home: Path, validator: Validator | None = None) -> Any:
    return asyncio.run(join(reader, [validator or Validator(PARAMS, REGION_ROWS)], home))  # type: ignore[arg-type, list-item]


def refusal(reader: Reader, home: Path, validator: Validator | None = None) -> StartError:
    with pytest.raises(StartError) as caught:
        joined(reader, home, validator)
    return caught.value


def test_joins_a_network_that_is_what_its_file_says(tmp_path: Path) -> None:
    played = joined(Reader(), tmp_path)
    assert (played.genesis_ms, played.rules.params.name) == (5_000, "devnet")
    assert len(list((tmp_path / CACHE_DIRECTORY).iterdir())) == 2


def test_refuses_another_chain_with_the_chains_sentence(tmp_path: Path) -> None:
    sentence = f"http://x is chain 1, the file names 31337. {WRONG_CHAIN}"
    assert str(refusal(Reader([sentence]), tmp_path)) == sentence


def test_refuses_other_params_on_chain_with_a_sentence(tmp_path: Path) -> None:
    sentence = "The params hash on chain is another than the file's. Get the network's file again."
    error = refusal(Reader([sentence], params_hash=bytes(32)), tmp_path)
    assert (str(error), error.code) == (sentence, 1)


def test_goes_on_with_a_warning_when_one_rpc_address_is_down(tmp_path: Path) -> None:
    warning = "http://y does not answer. Check the address, or remove it from the file."
    assert joined(Reader([warning]), tmp_path).warnings == (warning,)


def test_a_chain_that_does_not_answer_has_its_own_exit_code(tmp_path: Path) -> None:
    reader = Reader()
    reader.answers = False
    assert refusal(reader, tmp_path).code == 5


def test_validators_that_do_not_answer_have_that_exit_code_too(tmp_path: Path) -> None:
    assert refusal(Reader(), tmp_path, Validator(answers=False)).code == 5


def test_another_protocol_version_has_its_own_exit_code(tmp_path: Path) -> None:
    assert refusal(Reader(), tmp_path, Validator(b"x", version=PROTOCOL_VERSION + 1)).code == 8


def test_refuses_epochs_of_another_length(tmp_path: Path) -> None:
    assert "epochs are not as long" in str(refusal(Reader(length_ms=61_000), tmp_path))


# --- directories --------------------------------------------------------------------------------------------------


def home(directory: Path, config: str = "") -> Path:
    directory.mkdir(parents=True)
    keys.create(directory)
    (directory / CONFIG_FILE).write_text(config)
    return directory


def test_a_lone_hotspot_keeps_its_outbox_in_its_own_directory(tmp_path: Path) -> None:
    assert common_directory([tmp_path / "one"]) == tmp_path / "one"


def test_several_hotspots_share_the_parent_whatever_their_order(tmp_path: Path) -> None:
    directories = [tmp_path / "hotspots" / name for name in ("b", "a")]
    assert common_directory(directories) == common_directory(directories[::-1]) == tmp_path / "hotspots"


def test_a_directory_serves_one_process(tmp_path: Path) -> None:
    with locked([tmp_path]), pytest.raises(StartError, match="already runs"), locked([tmp_path]):
        pass
    with locked([tmp_path]):
        pass


def test_a_key_others_can_read_has_its_own_exit_code(tmp_path: Path) -> None:
    one = home(tmp_path / "one")
    (one / keys.KEY_FILE).chmod(0o644)
    with pytest.raises(StartError, match="chmod 600") as caught:
        open_homes([one])
    assert caught.value.code == 6


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="did you mean `listen`"):
        open_homes([home(tmp_path / "one", "lissten = 'x:1'")])


def test_one_key_in_two_directories_is_refused(tmp_path: Path) -> None:
    one, two = home(tmp_path / "one"), tmp_path / "two"
    two.mkdir()
    (two / keys.KEY_FILE).touch(mode=0o600)
    (two / keys.KEY_FILE).write_bytes((one / keys.KEY_FILE).read_bytes())
    with pytest.raises(StartError, match="same key"):
        open_homes([one, two])


def test_listen_overrides_the_setting_of_a_lone_hotspot_only(tmp_path: Path) -> None:
    one, two = home(tmp_path / "one"), home(tmp_path / "two")
    assert open_homes([one], {"listen": "127.0.0.1:5"})[0].config.listen == Endpoint("127.0.0.1", 5)
    with pytest.raises(StartError, match="--listen is for one hotspot"):
        open_homes([one, two], {"listen": "127.0.0.1:5"})


def test_the_windows_are_said_in_words() -> None:
    text = " ".join(window_lines(PARSED.epoch))
    for phrase in (
        "last 1 min",
        "5 s before they start",
        "within 1 s of their slot",
        "revealed after 4 s",
        "last 15 s",
    ):
        assert phrase in text
    assert "24 h" in window_lines(dataclasses.replace(PARSED.epoch, length_ms=86_400_000))[0]


def test_the_kept_params_are_named_by_the_hash_on_chain(tmp_path: Path) -> None:
    joined(Reader(), tmp_path)
    names = {path.name for path in (tmp_path / CACHE_DIRECTORY).iterdir()}
    assert names == {FILE.params_hash.hex(), sha256(REGION_ROWS).hex()}
