"""`farfield map`: the same numbers as the page, errors as sentences, exit codes, and a server that ends when told."""

from __future__ import annotations

import http.client
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from chain.network import ValidatorEntry, dump
from coverage_maps import one_epoch
from coverage_maps.command import group
from coverage_maps.shapes import cell_shape
from protocol import geo
from protocol.encoding import sha256
from tests.coverage_maps.factories import (
    VALIDATORS,
    FakeChain,
    World,
    network_file,
    small_devices,
    small_world,
    view_of,
)
from tests.coverage_maps.peer_server import honest, peer

START_TIMEOUT_S = 20
END_TIMEOUT_S = 10


@pytest.fixture(scope="module")
def world() -> World:
    return small_world()


class Network:
    """A network.json that names one real validator process' worth of evidence; the chain is a world's."""

    def __init__(self, path, chain: FakeChain) -> None:
        self.path, self.chain = path, chain


@pytest.fixture
def network(world, tmp_path, monkeypatch) -> Iterator[Network]:
    from dataclasses import replace

    with peer(honest(world.blobs), sha256(world.params_file)) as (endpoint, _):
        validators = (ValidatorEntry(VALIDATORS[0], VALIDATORS[0], endpoint),)
        file = replace(network_file(world), validators=validators)
        path = tmp_path / "network.json"
        path.write_text(dump(file))
        chain = FakeChain(world)
        monkeypatch.setattr(one_epoch, "ChainFacts", lambda loaded: chain.of(loaded))
        yield Network(path, chain)


def run(*arguments) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of `farfield map ...`."""
    result = CliRunner().invoke(group, [str(one) for one in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


# --- need -------------------------------------------------------------------------------------------------------------


def test_need_prints_the_pages_numbers(world, network, tmp_path):
    view = view_of(world, 2)
    cell = max(view.cells.values(), key=lambda one: len(one.sites)).cell
    code, out, _ = run("need", f"{cell:x}", "--network", network.path, "--directory", tmp_path, "--json")
    assert (code, json.loads(out)) == (0, cell_shape(view, cell))


def test_need_reads_an_older_epoch_and_prints_the_sentence_first(world, network, tmp_path):
    view = view_of(world, 1)
    cell = max(view.cells.values(), key=lambda one: len(one.sites)).cell
    arguments = ("need", f"{cell:x}", "--network", network.path, "--epoch", 1, "--directory", tmp_path)
    code, out, _ = run(*arguments)
    shape = cell_shape(view, cell)
    assert code == 0
    assert out.startswith(f"Cell {cell:x} in epoch 1: {shape['sentence']}\n")
    assert all(step["title"] in out for step in shape["steps"])


def test_need_of_a_place_is_that_of_its_pay_cell(network, tmp_path):
    code, out, _ = run("need", "48.4,9.99", "--network", network.path, "--directory", tmp_path, "--json")
    assert (code, json.loads(out)["cell"]) == (0, f"{geo.parent(geo.cell_at(48.4, 9.99, 9), 8):x}")


def test_need_of_a_pole_is_that_of_a_cell_as_large_as_others(network, tmp_path):
    code, out, _ = run("need", "90,0", "--network", network.path, "--directory", tmp_path, "--json")
    assert code == 0
    assert 0.5 < json.loads(out)["area_km2"] < 1


def test_a_folder_that_keeps_nothing_is_said_and_the_answer_still_comes(network, tmp_path):
    (tmp_path / "file").write_text("")
    kept = tmp_path / "file" / "map"
    code, out, err = run("need", "48.4,9.99", "--network", network.path, "--directory", kept)
    assert (code, err.count("Evidence cannot be kept in")) == (0, 1)
    assert out.startswith("Cell ")


@pytest.mark.parametrize("cell", ["zzz", "871f8c118ffffff"])
def test_need_of_no_pay_cell_is_a_usage_error(network, tmp_path, cell):
    code, _, err = run("need", cell, "--network", network.path, "--directory", tmp_path)
    assert code == 2
    assert "neither an H3 index" in err or "coarser than a pay cell" in err


def test_an_epoch_without_a_root_says_which_there_are(network, tmp_path):
    code, _, err = run("need", "48.4,9.99", "--network", network.path, "--epoch", 9, "--directory", tmp_path)
    assert (code, err) == (1, "Epoch 9 has no root on chain; settled are 1 to 2.\n")


def test_a_root_that_does_not_fit_exits_7(world, network, tmp_path):
    from dataclasses import replace

    network.chain.world = World(small_devices())
    network.chain.world.roots = [replace(world.roots[0], root=bytes(32))]
    code, _, err = run("need", "48.4,9.99", "--network", network.path, "--directory", tmp_path)
    assert (code, err) == (7, "The state's amounts do not give the root on chain.\n")


def test_a_chain_that_does_not_answer_exits_5(network, tmp_path):
    network.chain.down = "No RPC address answers. It is tried again later."
    code, _, err = run("need", "48.4,9.99", "--network", network.path, "--directory", tmp_path)
    assert (code, err) == (5, "No RPC address answers. It is tried again later.\n")


def test_validators_that_do_not_answer_exit_5(world, tmp_path, monkeypatch):
    chain = FakeChain(world)
    monkeypatch.setattr(one_epoch, "ChainFacts", lambda loaded: chain.of(loaded))
    path = tmp_path / "network.json"
    path.write_text(dump(network_file(world)))
    code, _, err = run("need", "48.4,9.99", "--network", path, "--directory", tmp_path)
    assert code == 5
    assert err.startswith("No validator answers: 127.0.0.1:1 does not answer")


def test_a_missing_network_file_says_what_to_do(tmp_path):
    code, _, err = run("need", "48.4,9.99", "--network", tmp_path / "none.json")
    assert code == 1
    assert "does not exist. Give the network's file or address with --network" in err


# --- area -------------------------------------------------------------------------------------------------------------


def write_area(path, *corners) -> None:
    ring = [list(corner) for corner in (*corners, corners[0])]
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))


def test_area_prints_covered_uncovered_and_gaps(network, tmp_path):
    file = tmp_path / "area.geojson"
    write_area(file, (9.97, 48.38), (10.03, 48.38), (10.03, 48.41), (9.97, 48.41))
    code, out, _ = run("area", file, "--network", network.path, "--directory", tmp_path)
    assert code == 0
    assert out.startswith("Epoch 2: ")
    assert "uncovered" in out
    assert "gap 1" in out
    code, out, _ = run("area", file, "--network", network.path, "--directory", tmp_path, "--json")
    shape = json.loads(out)
    assert shape["covered_km2"] + shape["uncovered_km2"] == pytest.approx(shape["area_km2"], abs=2e-4)


def test_a_bad_area_is_refused_before_anything_is_asked(network, tmp_path):
    file = tmp_path / "area.geojson"
    file.write_text('{"type": "Polygon", "coordinates": [[[9.97, 148.38]]]}')
    network.chain.down = "this must not be reached"
    code, _, err = run("area", file, "--network", network.path, "--directory", tmp_path)
    assert code == 1
    assert "area.geojson: The file.coordinates[0][0] is [9.97, 148.38]: longitude comes first" in err


# --- import -----------------------------------------------------------------------------------------------------------


def test_import_writes_rows_and_prints_their_hash(tmp_path):
    file, out_file = tmp_path / "drive.csv", tmp_path / "rows"
    file.write_text("lat,lon,dbm\n48.4,9.99,-101\n0,0,-90\n")
    arguments = ("import", file, "--class", "cellular", "--source", 3, "--out", out_file)
    code, out, _ = run(*arguments)
    assert code == 0
    assert sha256(out_file.read_bytes()).hex() in out
    assert "refused: position is exactly 0, 0" in out
    code, out, _ = run(*arguments, "--json")
    report = json.loads(out)
    assert report["refused"] == {"position is exactly 0, 0": 1}
    assert (report["rows_written"], report["sha256"]) == (1, sha256(out_file.read_bytes()).hex())


def test_import_of_an_unknown_file_names_the_columns(tmp_path):
    file = tmp_path / "drive.csv"
    file.write_text("a,b\n1,2\n")
    code, _, err = run("import", file, "--source", 3, "--out", tmp_path / "rows")
    assert code == 1
    assert "no column for latitude" in err
    assert not (tmp_path / "rows").exists()


def test_import_to_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    file, blocked = tmp_path / "drive.csv", tmp_path / "blocked"
    file.write_text("lat,lon,dbm\n48.4,9.99,-101\n")
    blocked.write_text("a file, no folder")
    code, _, err = run("import", file, "--source", 3, "--out", blocked / "rows")
    assert code == 1
    assert "cannot be written" in err


# --- serve ------------------------------------------------------------------------------------------------------------


def read_line(process: subprocess.Popen[str]) -> str:
    """The process' next line; fails instead of waiting for ever."""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        assert selector.select(START_TIMEOUT_S), "the server printed nothing"
    return process.stdout.readline()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_serve_answers_without_a_chain_and_ends_when_told(world, tmp_path, ending):
    path = tmp_path / "network.json"
    path.write_text(dump(network_file(world)))
    arguments = ("map", "serve", "--network", path, "--port", 0, "--directory", tmp_path / "kept", "--json")
    command = [sys.executable, "-m", "farfield", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            address = json.loads(read_line(process))["map"]
            listener = http.client.HTTPConnection(urlsplit(address).netloc, timeout=START_TIMEOUT_S)
            listener.request("GET", "/v1/events")
            told = listener.getresponse()
            while not (line := told.readline()).startswith(b"data: ") or not json.loads(line[6:])["trouble"]:
                assert line, "the stream ended early"
            process.send_signal(ending)
            _, errors = process.communicate(timeout=END_TIMEOUT_S)
            listener.close()
            told.close()
        finally:
            if process.poll() is None:
                process.kill()
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_serve_on_a_taken_port_is_a_sentence(world, tmp_path):
    import socket

    path = tmp_path / "network.json"
    path.write_text(dump(network_file(world)))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = run("serve", "--network", path, "--port", port, "--directory", tmp_path)
    assert code == 1
    assert f"Port {port} is taken by another program; choose another one with --port." in err


def test_help_loads_nothing_heavy():
    heavy = "{'grpc', 'web3', 'h3', 'shapely', 'numpy', 'starlette', 'granian', 'structlog', 'rich'}"
    code = f"import sys, coverage_maps.command; sys.exit(len({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=os.getcwd(), check=False).returncode == 0
