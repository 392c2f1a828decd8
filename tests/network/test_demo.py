"""The simulated devnet as a user meets it: epochs, joining with only network.json, claims, an end, a second start."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chain.events import Deposited
from chain.history import History
from chain.network import load
from chain.reader import ChainReader
from devnet.layout import free_ports
from tests.network.devnets import alive, children_of, farfield, farfield_json, running, wait_for

pytestmark = [pytest.mark.network, pytest.mark.slow]

START_TIMEOUT_S = 90
ROOT_TIMEOUT_S = 240
HEARD_TIMEOUT_S = 240
PAGE_TIMEOUT_MS = 60_000
JOIN_AT = "48.4105,9.7925"
OWNER = "0x00000000000000000000000000000000000f00d5"


@dataclass(frozen=True)
class Demo:
    """A running demo."""

    directory: Path
    port: int
    reader: ChainReader
    kept: History

    @property
    def network(self) -> str:
        return str(self.directory / "network.json")

    def history(self) -> History:
        """Everything the chain has said up to now."""
        self.kept.refresh()
        return self.kept


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    directory = tmp_path_factory.mktemp("demo") / "devnet"
    (port,) = free_ports(1)
    log = directory.parent / "run.log"
    with running("devnet", "run", "--directory", str(directory), "--port", str(port), log=log) as process:
        wait_for(
            lambda: (directory / "devnet.json").exists() or process.poll() is not None, START_TIMEOUT_S, "the founding"
        )
        assert process.poll() is None, log.read_text(encoding="utf-8")
        reader = ChainReader(load(str(directory / "network.json")))
        yield Demo(directory, port, reader, History(reader))
        reader.close()


@pytest.fixture(scope="module")
def guest(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A hotspot in another directory that knows only network.json: registered, running, on air."""
    home = tmp_path_factory.mktemp("guest")
    network = shutil.copy(demo.network, home)
    listen = f"127.0.0.1:{free_ports(1)[0]}"
    registered = farfield_json(
        "hotspot", "register", "--network", network, "--directory", str(home / "me"), "--owner", OWNER, "--at", JOIN_AT
    )
    with running(
        "hotspot", "run", "--network", network, "--directory", str(home / "me"), "--listen", listen, log=home / "log"
    ):
        wait_for(lambda: (home / "me" / "status.json").exists(), START_TIMEOUT_S, "the guest's start")
        farfield_json("devnet", "attach", "--network", network, "--hotspot", listen, "--at", JOIN_AT)
        yield {"id": registered["hotspot_id"], "network": network, "directory": str(home / "me")}


def _roots(demo: Demo) -> list[Any]:
    return demo.history().roots()


def _two_roots(demo: Demo) -> list[Any] | None:
    roots = _roots(demo)
    return roots if len(roots) >= 2 else None


def test_a_guest_with_only_network_json_is_heard_and_audits(demo: Demo, guest: dict[str, Any]) -> None:
    seen: set[int] = set()

    def heard() -> Any:
        for root in _roots(demo):
            if root.epoch not in seen:
                seen.add(root.epoch)
                where = ("--network", guest["network"], "--explain", "hotspot", guest["id"])
                found = farfield_json("validator", "audit", str(root.epoch), *where, timeout_s=120)
                if any(line.startswith("cell") for line in found["explained"]):
                    return found
        return None

    found = wait_for(heard, HEARD_TIMEOUT_S, "an epoch in which links prove the guest in a cell")
    assert found["identical"]


def test_a_stranger_audits_two_epochs_to_the_same_roots(demo: Demo, tmp_path: Path) -> None:
    network = shutil.copy(demo.network, tmp_path)
    for root in wait_for(lambda: _two_roots(demo), ROOT_TIMEOUT_S, "two roots")[:2]:
        found = farfield_json("validator", "audit", str(root.epoch), "--network", network, timeout_s=120)
        assert found["root_audited"] == found["root_on_chain"] == "0x" + root.root.hex()


def test_owners_are_paid_what_the_chain_says(demo: Demo) -> None:
    wait_for(lambda: _two_roots(demo), ROOT_TIMEOUT_S, "two roots")
    claims = wait_for(lambda: demo.history().claims(), ROOT_TIMEOUT_S, "claims")
    assert claims

    def agrees() -> bool:
        growth = demo.reader.total_supply() - demo.reader.genesis_supply()
        history = demo.history()
        claimed, burned = (sum(one.amount for one in history.claims()), sum(one.fee for one in history.of(Deposited)))
        return growth == claimed - burned and burned > 0

    assert wait_for(agrees, ROOT_TIMEOUT_S, "a supply that grew by what was claimed less the fees burned")


def test_wifi_hotspots_earn_beside_lora_ones_and_are_on_the_map_as_such(demo: Demo) -> None:
    def earning() -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{demo.port}/v1/hotspots") as answer:
            hotspots = json.load(answer)["hotspots"]
        paid = [one for one in hotspots if int(one["earned_total"]) > 0]
        wifi = [one for one in paid if one["kind"] == "fixed Wi-Fi"]
        return (wifi, paid) if len(wifi) >= 2 and len(paid) > len(wifi) else None

    wait_for(lambda: _two_roots(demo), ROOT_TIMEOUT_S, "two roots")
    wifi, paid = wait_for(earning, ROOT_TIMEOUT_S, "two Wi-Fi hotspots and a LoRa one earning")
    assert all(one["wifi"] for one in wifi)
    assert {one["wifi"] for one in paid} == {True, False}


def test_the_network_file_checks_out(demo: Demo) -> None:
    assert farfield_json("network", "check", "--network", demo.network)["findings"] == []


def test_a_wrong_chain_id_is_refused_with_a_sentence(demo: Demo, tmp_path: Path) -> None:
    tree = json.loads(Path(demo.network).read_text(encoding="utf-8")) | {"chain_id": 1}
    wrong = tmp_path / "network.json"
    wrong.write_text(json.dumps(tree), encoding="utf-8")
    done = farfield("validator", "audit", "1", "--network", str(wrong))
    assert done.returncode == 5
    assert "31337" in done.stderr


def test_every_process_ends_and_a_second_start_resumes(tmp_path: Path) -> None:
    directory, log = tmp_path / "devnet", tmp_path / "run.log"
    arguments = ["devnet", "run", "--headless", "--directory", str(directory)]
    with running(*arguments, log=log) as process:
        wait_for(lambda: "Join with" in log.read_text(encoding="utf-8"), START_TIMEOUT_S, "the first start")
        first = children_of(process.pid)
        assert len(first) >= 7
    assert alive(first) == set()
    network = load(str(directory / "network.json"))
    with running(*arguments, log=log):
        text = wait_for(
            lambda: log.read_text(encoding="utf-8") if "Join with" in log.read_text(encoding="utf-8") else None,
            START_TIMEOUT_S,
            "the second start",
        )
        assert "Resuming" in text
        assert load(str(directory / "network.json")) == network


@pytest.mark.browser
def test_the_page_shows_what_the_command_line_and_the_chain_say(demo: Demo, browser: Any) -> None:
    roots = wait_for(lambda: _two_roots(demo), ROOT_TIMEOUT_S, "two roots")[:2]
    page = browser.new_page()
    for root in roots:
        cell = _paid_cell(demo, root.epoch)
        page.goto(f"http://127.0.0.1:{demo.port}/#11/48.41/9.79&epoch={root.epoch}&layer=weight&cell={cell}")
        page.reload()
        page.wait_for_selector("body[data-ready]", timeout=PAGE_TIMEOUT_MS)
        shown = page.get_by_test_id("cell-weight").get_attribute("data-weight-u", timeout=PAGE_TIMEOUT_MS)
        printed = farfield_json("map", "need", cell, "--network", demo.network, "--epoch", str(root.epoch))
        assert int(shown) == printed["weight_u"]
    page.close()


@pytest.mark.browser
def test_the_page_shows_what_the_chain_paid_a_hotspot(demo: Demo, browser: Any) -> None:
    def paid() -> Any:
        return next((one for one in demo.history().claims() if one.leaf_id[0] >= 0x80), None)

    claim = wait_for(paid, ROOT_TIMEOUT_S, "a claim of a hotspot")
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{demo.port}/#11/48.41/9.79&hotspot=0x{claim.leaf_id.hex()}")
    page.wait_for_selector("body[data-ready]", timeout=PAGE_TIMEOUT_MS)

    def agrees() -> bool:
        shown = page.get_by_test_id("hotspot-claimed").get_attribute("data-amount", timeout=PAGE_TIMEOUT_MS)
        on_chain = sum(one.amount for one in demo.history().claims() if one.leaf_id == claim.leaf_id)
        return int(shown or 0) == on_chain

    assert wait_for(agrees, ROOT_TIMEOUT_S, "the page's claimed amount equal to the chain's")
    page.close()


def _paid_cell(demo: Demo, epoch: int) -> str:
    """A cell that paid somebody in an epoch, by the map's own answer."""
    with urllib.request.urlopen(f"http://127.0.0.1:{demo.port}/v1/epochs/{epoch}/cells") as answer:
        cells = json.load(answer)["cells"]
    return str(next(one["cell"] for one in cells if int(one["paid"] or 0) > 0))
