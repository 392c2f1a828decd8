"""A devnet's directory: an interrupted founding is cleared, somebody's things never, and what lives there is kept."""

from __future__ import annotations

import time
from dataclasses import replace
from importlib.resources import files as package_files
from pathlib import Path

import pytest
from click.testing import CliRunner

from chain.key_files import KeyFileError, create_key
from devnet import command, founding
from devnet.directory import DirectoryError, founding_in
from devnet.layout import Facts, Layout, Ports, load_facts, save_facts
from devnet.run import Devnet, Options, RunFailedError

PORTS = Ports(1, (2, 3, 4, 5), (6,), 7, 8)
FACTS = Facts("simulated", 1, PORTS, ("hill-a",), 0, receptions="", baseline="")


def silent(sentence: str) -> None:
    """What is said does not matter here."""


@pytest.fixture
def no_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Founding gets as far as the chain, and fails there."""
    monkeypatch.setenv("FARFIELD_ANVIL", "/bin/false")
    monkeypatch.setattr(founding, "CHAIN_START_S", 0)


def start(**options) -> None:
    devnet = Devnet(Options(**options), silent)
    try:
        devnet.start()
    finally:
        devnet.stop()


def founded(root: Path, facts: Facts) -> Layout:
    """A directory as a founded devnet leaves it, as far as a second start looks before it starts anything."""
    layout = Layout(root)
    layout.make()
    (layout.files / "params.toml").write_bytes(package_files("params").joinpath("devnet.toml").read_bytes())
    save_facts(layout, facts)
    return layout


def test_a_start_after_an_interrupted_founding_clears_it_and_founds_again(tmp_path, no_chain):
    with pytest.raises(RunFailedError, match="The chain does not answer"):
        start(directory=tmp_path)
    key = Layout(tmp_path).validator(1) / "validator.key"
    create_key(key)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunFailedError, match="The chain does not answer"):
        start(directory=tmp_path)
    assert not key.exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_keys_nobody_began_to_found_with_are_never_cleared(tmp_path, no_chain):
    key = tmp_path / "validators" / "1" / "validator.key"
    create_key(key)
    for _ in range(2):
        with pytest.raises(DirectoryError, match=r"validators is there already, but devnet\.json of a devnet is not"):
            start(directory=tmp_path)
    assert key.exists()


def test_a_founded_devnet_carries_no_marker(tmp_path):
    layout = Layout(tmp_path)
    layout.make()
    with founding_in(layout):
        assert layout.founding_marker.exists()
        save_facts(layout, FACTS)
    assert not layout.founding_marker.exists()


def test_two_starts_at_once_do_not_clear_each_others_work(tmp_path):
    layout = Layout(tmp_path)
    layout.make()
    with founding_in(layout):
        create_key(layout.claims_key)
        with pytest.raises(DirectoryError, match="Another start founds a devnet"), founding_in(layout):
            pytest.fail("the second start founds too")
        assert layout.claims_key.exists()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"scenario": "trace", "receptions": Path("other.csv")}, "founded with --scenario simulated, not trace"),
        ({"receptions": Path("other.csv")}, "founded without --receptions"),
        ({"baseline": Path("other.csv")}, "founded without --baseline"),
        ({"seed": 2}, "founded with --seed 1, not 2"),
        ({"epochs": 3}, "has played epoch 1 already"),
    ],
)
def test_refuses_to_resume_another_devnet_than_the_one_asked_for(tmp_path, asked, words):
    founded(tmp_path, FACTS)
    with pytest.raises(RunFailedError, match=words) as refusal:
        start(directory=tmp_path, **asked)
    assert "another --directory" in str(refusal.value)


@pytest.mark.parametrize("asked", [{}, {"scenario": "simulated", "seed": 1}, {"epochs": 3}])
def test_resumes_what_fits(tmp_path, no_chain, asked):
    founded(tmp_path, replace(FACTS, genesis_ms=int(time.time() * 1_000)))
    with pytest.raises(RunFailedError, match="The chain does not answer"):
        start(directory=tmp_path, **asked)


def test_a_devnet_of_an_earlier_release_that_noted_no_baseline_resumes_with_any(tmp_path, no_chain):
    layout = founded(tmp_path, FACTS)
    text = layout.facts_file.read_text()
    layout.facts_file.write_text(text.replace('"baseline": "",', ""))
    assert load_facts(layout).baseline is None
    with pytest.raises(RunFailedError, match="The chain does not answer"):
        start(directory=tmp_path, baseline=Path("any.csv"))


def test_a_key_that_cannot_be_used_is_a_sentence(tmp_path, monkeypatch):
    def start(devnet: Devnet) -> None:
        raise KeyFileError("payer.key does not exist.")

    monkeypatch.setattr(Devnet, "start", start)
    monkeypatch.setattr(command.signal, "signal", lambda *_: None)
    result = CliRunner().invoke(command.group, ["run", "--directory", str(tmp_path)])
    assert result.exit_code == 1
    assert "payer.key does not exist." in result.output


def test_a_directory_that_cannot_be_made_is_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(command.signal, "signal", lambda *_: None)
    result = CliRunner().invoke(command.group, ["run", "--directory", str(tmp_path / "file" / "devnet")])
    assert result.exit_code == 1
    assert "cannot hold a devnet: Not a directory" in result.output
