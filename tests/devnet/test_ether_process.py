"""The ether as a process: forwarders on UDP, positions on TCP, control, reports, and a clean end."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devnet.ether.client import EtherClient, EtherRefusedError, EtherUnreachableError
from devnet.ether.places import moved
from devnet.ether.serving import MAX_LINE_BYTES
from devnet.ether.trace import load
from hotspot.radio.gwmp.fields import Crc
from protocol import geo
from tests.devnet.ether_world import (
    MUNSTER,
    FakeHotspot,
    RunningEther,
    csv_row,
    fixed,
    order,
    payload,
    running_ether,
    start,
    wait_until,
    write_csv,
)

NEAR = moved(MUNSTER, 800, 0)


class Lines:
    """A TCP client that sends text and reads lines, with a deadline."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), 5)
        self.file = self.socket.makefile("r", encoding="utf-8")

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *exception: object) -> None:
        self.file.close()
        self.socket.close()

    def ask(self, text: str) -> Any:
        self.socket.sendall(text.encode())
        return self.read()

    def read(self) -> Any:
        return json.loads(self.file.readline())

    def read_until(self, name: str, **wanted: object) -> Any:
        """The next message of a class with these fields."""
        while True:
            message = self.read()
            if message["class"] == name and all(message.get(key) == value for key, value in wanted.items()):
                return message


@pytest.fixture
def hotspots() -> Iterator[tuple[FakeHotspot, FakeHotspot]]:
    with FakeHotspot() as a, FakeHotspot() as b:
        yield a, b


@pytest.fixture
def pair(tmp_path: Path, hotspots: tuple[FakeHotspot, FakeHotspot]) -> Iterator[RunningEther]:
    """Two neighbouring stations on the simulated channel."""
    stations = [fixed("a", hotspots[0]), fixed("b", hotspots[1], NEAR)]
    with running_ether(tmp_path, stations=stations) as ether:
        yield ether


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEther]:
    """One station whose hotspot is not there; for tests that leave the ether as it was."""
    station = {"name": "a", "hotspot": "127.0.0.1:9", "lat": 48.4, "lon": 9.99}
    with running_ether(tmp_path_factory.mktemp("quiet"), stations=[station]) as ether:
        yield ether


# --- forwarders -------------------------------------------------------------------------------------------------


def test_a_neighbour_reports_the_frame_at_its_end(
    pair: RunningEther, hotspots: tuple[FakeHotspot, FakeHotspot]
) -> None:
    a, b = hotspots
    token, sent_at = a.send(order(payload=payload(1)))
    assert a.answer(token).error is None
    (packet,) = b.wait_for_packets(1)
    assert packet.payload == payload(1)
    assert (packet.frequency_hz, packet.crc, packet.rate.spreading_factor) == (868_100_000, Crc.OK, 7)
    assert b.packets[0][0] - sent_at >= 0.080 + 0.061
    assert a.packets == []


def test_reports_and_orders_use_two_ports(pair: RunningEther, hotspots: tuple[FakeHotspot, FakeHotspot]) -> None:
    a, b = hotspots
    a.send(order())
    b.wait_for_packets(1)
    wait_until(lambda: b.pull_source is not None, "a PULL_DATA")
    assert b.pull_source not in b.push_sources


def test_the_json_on_the_wire_is_a_gateways(pair: RunningEther, hotspots: tuple[FakeHotspot, FakeHotspot]) -> None:
    a, b = hotspots
    a.send(order())
    b.wait_for_packets(1)
    body = b.raw[0][12:].decode()
    (entry,) = json.loads(body)["rxpk"]
    assert '"freq":868.100000' in body
    assert {"tmst", "chan", "rfch", "freq", "stat", "modu", "datr", "codr", "rssi", "lsnr", "size", "data"} <= set(
        entry
    )
    assert (entry["stat"], entry["modu"], entry["datr"], entry["codr"], entry["size"]) == (
        1, "LORA", "SF7BW125", "4/5", 24,
    )  # fmt: skip
    assert isinstance(entry["rssi"], int)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"frequency_hz": 915_000_000}, "TX_FREQ"),
        ({"immediate": None, "gps_ms": 1}, "GPS_UNLOCKED"),
    ],
)
def test_refuses_an_order_with_its_code(
    pair: RunningEther, hotspots: tuple[FakeHotspot, FakeHotspot], changed: dict[str, Any], error: str
) -> None:
    token, _ = hotspots[0].send(order(**changed))
    assert hotspots[0].answer(token).error == error


def test_warns_of_the_power_it_used(pair: RunningEther, hotspots: tuple[FakeHotspot, FakeHotspot]) -> None:
    token, _ = hotspots[0].send(order(power_dbm=5))
    answer = hotspots[0].answer(token)
    assert (answer.warning, answer.value_cdb) == ("TX_POWER", 1_200)


def test_stays_silent_where_a_real_forwarder_does(
    pair: RunningEther, hotspots: tuple[FakeHotspot, FakeHotspot]
) -> None:
    a, _ = hotspots
    silent = [a.send(order(cr_denominator=None))[0], a.send(order(rf_chain=1))[0], a.send(order(), version=1)[0]]
    a.answer(a.send(order())[0])
    assert set(a.answers).isdisjoint(silent)


def test_stations_that_transmit_together_do_not_hear_each_other(
    pair: RunningEther, hotspots: tuple[FakeHotspot, FakeHotspot]
) -> None:
    a, b = hotspots
    tokens = [a.send(order(payload=payload(1)))[0], b.send(order(payload=payload(2), frequency_hz=867_100_000))[0]]
    a.answer(tokens[0])
    b.answer(tokens[1])
    a.send(order(payload=payload(3)))
    assert b.wait_for_packets(1)[0].payload == payload(3)
    assert a.packets == []


def test_a_stranger_cannot_order_a_transmission(pair: RunningEther, hotspots: tuple[FakeHotspot, FakeHotspot]) -> None:
    a, b = hotspots
    wait_until(lambda: a.pull_source is not None, "a PULL_DATA")
    with FakeHotspot() as stranger:
        stranger.pull_source = a.pull_source
        stranger.send(order(payload=payload(9)))
        a.answer(a.send(order(payload=payload(1)))[0])
        assert b.wait_for_packets(1)[0].payload == payload(1)
        assert stranger.answers == {}


# --- control ----------------------------------------------------------------------------------------------------


def test_a_station_attached_later_is_heard(pair: RunningEther, hotspots: tuple[FakeHotspot, FakeHotspot]) -> None:
    with FakeHotspot() as late, pair.client() as client:
        answer = client.attach(fixed("late", late, moved(MUNSTER, 0, 900)))
        assert (len(bytes.fromhex(answer["eui"])), answer["gpsd_device"]) == (8, None)
        late.send(order(payload=payload(5)))
        assert hotspots[0].wait_for_packets(1)[0].payload == payload(5)
        assert [station["name"] for station in client.stations()] == ["a", "b", "late"]
        client.detach("late")
        assert [station["name"] for station in client.stations()] == ["a", "b"]


@pytest.mark.parametrize(
    ("station", "sentence"),
    [
        ({"name": "a"}, "attached already"),
        ({"name": "c", "receiver": "gw1"}, "simulates its channel"),
        ({"name": "c", "lat": 100}, "degrees"),
        ({"name": "c", "hotspot": "somewhere"}, "HOST:PORT"),
    ],
)
def test_refuses_a_station_with_a_sentence(quiet: RunningEther, station: dict[str, Any], sentence: str) -> None:
    whole = {"hotspot": "127.0.0.1:9", "lat": 48.4, "lon": 9.99, **station}
    with quiet.client() as client, pytest.raises(EtherRefusedError, match=sentence):
        client.attach(whole)


@pytest.mark.parametrize(
    "line",
    ["nonsense", "[]", "7", '"stop"', '{"do":"dance"}', '{"do":["stop"]}', "{}", "[" * 10_000, '{"do":"detach"}',
     '{"do":"detach","name":"nobody"}', '{"do":"attach"}', '{"do":"finish"}', "\0\0", "\ufffd"],
)  # fmt: skip
def test_answers_a_hostile_line_with_a_sentence_and_goes_on(quiet: RunningEther, line: str) -> None:
    with Lines(quiet.control) as lines:
        answer = lines.ask(line + "\n")
        assert len(answer["error"]) > 10
        assert len(lines.ask('{"do":"stations"}\n')["stations"]) == 1


def test_answers_a_line_without_end_and_hangs_up(quiet: RunningEther) -> None:
    with Lines(quiet.control) as lines:
        assert str(MAX_LINE_BYTES) in lines.ask("x" * (MAX_LINE_BYTES + 1))["error"]
        assert lines.file.readline() == ""
    with quiet.client() as client:
        assert len(client.stations()) == 1


def test_the_client_says_when_no_ether_is_there() -> None:
    with pytest.raises(EtherUnreachableError, match="devnet"):
        EtherClient("127.0.0.1:1")


# --- positions --------------------------------------------------------------------------------------------------


def test_a_mobile_station_tells_its_position_every_second(
    pair: RunningEther, hotspots: tuple[FakeHotspot, FakeHotspot]
) -> None:
    with pair.client() as client:
        device = client.attach(fixed("van", hotspots[0], kind="mapper", route={"speed_m_s": 20}))["gpsd_device"]
    with Lines(pair.gpsd) as lines:
        assert lines.read()["class"] == "VERSION"
        watch = {"enable": True, "json": True, "device": device}
        assert lines.ask(f"?WATCH={json.dumps(watch)};")["devices"][0]["path"] == "/dev/van"
        assert lines.read()["class"] == "WATCH"
        fixes = [lines.read() for _ in range(2)]
    assert [(fix["class"], fix["device"], fix["mode"]) for fix in fixes] == [("TPV", "/dev/van", 3)] * 2
    assert fixes[0]["lat"] != fixes[1]["lat"]


def test_positions_follow_when_a_watched_station_is_attached_later(
    pair: RunningEther, hotspots: tuple[FakeHotspot, FakeHotspot]
) -> None:
    with Lines(pair.gpsd) as lines:
        lines.read()
        assert lines.ask('?WATCH={"device":"/dev/late"}\n')["class"] == "ERROR"
        with pair.client() as client:
            client.attach(fixed("late", hotspots[0], kind="mapper"))
        assert lines.read()["class"] == "TPV"


@pytest.mark.parametrize(
    "line", ["hello", "?WATCH={", "?WATCH=[]", "?POLL", '?WATCH={"device":"/dev/none"}', "x" * (MAX_LINE_BYTES + 1)]
)
def test_the_position_server_answers_a_hostile_line_with_an_error(quiet: RunningEther, line: str) -> None:
    with Lines(quiet.gpsd) as lines:
        lines.read()
        assert lines.ask(line + "\n")["class"] == "ERROR"
    with Lines(quiet.gpsd) as lines:
        lines.read()
        assert lines.ask("?DEVICES;\n") == {"class": "DEVICES", "devices": []}


# --- replay -----------------------------------------------------------------------------------------------------


def trace_config(path: Path, mapper: FakeHotspot, receiver: FakeHotspot) -> dict[str, Any]:
    """A station for every part of a small file: one hotspot behind all mappers, one behind all receivers."""
    found = load(path)
    stations: list[dict[str, Any]] = [
        {
            "name": f"mapper{number}",
            "hotspot": mapper.address,
            "kind": "mapper",
            "mapper": {"tx_id": part.tx_id, "cell": f"{part.cell:x}"},
        }
        for number, part in enumerate(found.mappers)
    ]
    stations += [{"name": part.rx_id, "hotspot": receiver.address, "receiver": part.rx_id} for part in found.receivers]
    return {"channel": "trace", "receptions": str(path), "stations": stations}


def test_a_beacon_carries_the_next_frame_and_the_position_moves_on(
    tmp_path: Path, hotspots: tuple[FakeHotspot, FakeHotspot]
) -> None:
    mapper, receiver = hotspots
    path = write_csv(
        tmp_path,
        csv_row(frame="1", tx_lat="48.397160000000001"),
        csv_row(frame="1", tx_lat="48.397160000000001", rx_id="gw2", rssi_dbm="-119.5"),
        csv_row(frame="2", tx_lat="48.39717"),
        csv_row(frame="3", rx_id="gw3", rx_lat=""),
    )
    with running_ether(tmp_path, **trace_config(path, mapper, receiver)) as ether, Lines(ether.gpsd) as lines:
        watch = json.dumps({"enable": True, "json": True, "device": "/dev/mapper0"})
        lines.socket.sendall(f"?WATCH={watch}\n".encode())
        for _ in range(3):
            lines.read()
        assert '"lat":48.397160000000001,"lon":9.97118' in lines.file.readline()
        mapper.send(order(payload=payload(1)))
        heard = receiver.wait_for_packets(2)
        assert [(packet.rssi_cdb, packet.snr_cdb) for packet in heard] == [(-11_900, -200), (-11_950, -250)]
        assert [b'"rssi":-119,' in raw or b'"rssi":-119.5,' in raw for raw in receiver.raw] == [True, True]
        assert lines.read_until("TPV", lat=48.39717)["mode"] == 3
        with ether.client() as client:
            wait_until(lambda: client.report()["offered_receptions"] == 2, "two rows offered")
            assert client.report()["waiting"] == {"waiting for a slot": 1}
        assert ether.terminate() == 0
        report = ether.report()
    assert report["simulated"] is False
    assert report["provenance"].startswith("replayed from measurements")
    assert (report["final"], report["rows_in_file"], report["offered_receptions"]) == (True, 4, 2)
    assert report["not_offered"] == {"no slot left": 1, "receiver without a position": 1}
    assert [row["row"] for row in report["rows"]] == [0, 1, 2, 3]
    first = report["rows"][0]
    assert (first["offered"], first["mapper"], first["receiver"], first["frame"]) == (True, "mapper0", "gw1", "1")
    assert first["tag"] == payload(1)[3:].hex()
    assert abs(first["time_ms"] - time.time() * 1_000) < 60_000
    assert {first["mapper_eui"], first["receiver_eui"]} < {station["eui"] for station in report["stations"]}
    assert (first["rssi_dbm"], report["rows"][1]["rssi_dbm"], first["rx_gain_cdb"]) == (-119, -119.5, 0)
    assert first["rx_cell"] == f"{geo.cell_at(48.404, 9.9852, 12):x}"


def test_a_hotspot_that_does_not_acknowledge_is_down(tmp_path: Path, hotspots: tuple[FakeHotspot, FakeHotspot]) -> None:
    mapper, receiver = hotspots
    receiver.acknowledges = False
    path = write_csv(tmp_path, csv_row())
    with running_ether(tmp_path, **trace_config(path, mapper, receiver)) as ether:
        mapper.send(order())
        receiver.wait_for_packets(1)
        assert ether.terminate() == 0
        assert ether.report()["not_offered"] == {"receiver down": 1}


def test_a_finished_replay_offers_nothing_more(tmp_path: Path, hotspots: tuple[FakeHotspot, FakeHotspot]) -> None:
    mapper, receiver = hotspots
    path = write_csv(tmp_path, csv_row(frame="1"), csv_row(frame="2"))
    with running_ether(tmp_path, **trace_config(path, mapper, receiver)) as ether, ether.client() as client:
        mapper.send(order())
        receiver.wait_for_packets(1)
        client.finish()
        mapper.send(order())
        wait_until(lambda: client.report()["frames_on_air"] == 2, "a second frame on air")
        client.stop()
        assert ether.process.wait(10) == 0
        assert ether.report()["not_offered"] == {"no slot left": 1}
    assert len(receiver.packets) == 1


# --- the process ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_its_report_written(
    pair: RunningEther, hotspots: tuple[FakeHotspot, FakeHotspot], number: int
) -> None:
    hotspots[0].send(order())
    hotspots[1].wait_for_packets(1)
    assert pair.terminate(number) == 0
    report = pair.report()
    assert (report["final"], report["simulated"], report["frames_on_air"]) == (True, True, 1)
    assert [station["counters"]["packets_heard"] for station in report["stations"]] == [0, 1]
    assert pair.process.communicate()[1] == ""


@pytest.mark.parametrize(
    "config",
    [
        {"channel": "radio"},
        {"channel": "trace", "receptions": "missing.csv"},
        {"channel": "simulated", "stations": [{"name": "a", "hotspot": "127.0.0.1:1", "lat": 1, "lon": 2}] * 2},
    ],
)
def test_a_configuration_it_cannot_use_ends_it_with_a_sentence(tmp_path: Path, config: dict[str, Any]) -> None:
    (tmp_path / "ether.json").write_text(json.dumps(config))
    process = start(tmp_path)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 2
    assert errors.startswith("ether: ")
    assert errors.count("\n") == 1


def test_a_port_that_is_taken_ends_it_with_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "{}:{}".format(*taken.getsockname())
        (tmp_path / "ether.json").write_text(json.dumps({"channel": "simulated", "control": address}))
        process = start(tmp_path)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 1
    assert errors.startswith("ether: ")
