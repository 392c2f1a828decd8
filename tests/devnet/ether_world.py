"""What tests of the ether are made of: orders, emissions, rows, a running ether process and a hotspot to talk to it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from devnet.ether.client import EtherClient
from devnet.ether.emissions import Emission
from devnet.ether.places import Place, place
from hotspot.radio.gwmp import codec
from hotspot.radio.gwmp.codec import Header, Identifier
from hotspot.radio.gwmp.fields import DataRate, Modulation, Rxpk, Txpk
from protocol import beacon
from tests.factories import ROOT, SHARED

DEADLINE_S = 10.0
LOOK_UP_S = 0.05
"""How often a server looks whether it shall end."""
RECEPTIONS = SHARED / "data" / "receptions"
MUNSTER = place("48.39855", "9.99123")
COLUMNS = (
    "set,frame,time_ms,tx_id,tx_lat,tx_lon,tx_alt_m,rx_id,rx_lat,rx_lon,rx_alt_m,dist_m,rssi_dbm,snr_db,freq_hz,sf,"
    "bw_khz,rx_time,pos_precision_m"
)


def payload(number: int = 0) -> bytes:
    """The 24 bytes of a Farfield beacon."""
    return beacon.frame(number.to_bytes(beacon.TAG_BYTES, "big"))


def order(**changed: Any) -> Txpk:
    """A lawful immediate order for a beacon."""
    rate = DataRate(Modulation.LORA, spreading_factor=7, bandwidth_hz=125_000)
    base = Txpk(
        frequency_hz=868_100_000,
        rate=rate,
        payload=payload(),
        immediate=True,
        rf_chain=0,
        power_dbm=14,
        cr_denominator=5,
    )
    return dataclasses.replace(base, **changed)


def emission(**changed: Any) -> Emission:
    """A beacon of station "a" that starts at 0 and lasts as long as 24 bytes at SF7 do."""
    base = Emission(
        station="a",
        start_us=0,
        end_us=61_696,
        start_unix_ms=1_700_000_000_000,
        frequency_hz=868_100_000,
        bandwidth_hz=125_000,
        spreading_factor=7,
        cr_denominator=5,
        eirp_cdb=1_600,
        payload=payload(),
        place=MUNSTER,
    )
    return dataclasses.replace(base, **changed)


def csv_row(**changed: str) -> str:
    """One line of a file of receptions."""
    fields = dict.fromkeys(COLUMNS.split(","), "")
    fields |= {"set": "test", "frame": "1", "tx_id": "truck", "tx_lat": "48.39716", "tx_lon": "9.97118"}
    fields |= {"rx_id": "gw1", "rx_lat": "48.404", "rx_lon": "9.9852", "rssi_dbm": "-119.0"}
    return ",".join((fields | changed).values())


def csv_text(*rows: str) -> str:
    return "\n".join((COLUMNS, *rows)) + "\n"


def write_csv(folder: Path, *rows: str) -> Path:
    path = folder / "receptions.csv"
    path.write_text(csv_text(*rows), encoding="utf-8")
    return path


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Waits for a condition in short steps; fails with a sentence at the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {what}"
        time.sleep(0.005)


class FakeHotspot:
    """A UDP server that acknowledges as a hotspot does, keeps what it gets with its time, and sends orders."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self.socket.getsockname())
        self.acknowledges = True
        self.packets: list[tuple[float, Rxpk]] = []
        self.raw: list[bytes] = []
        self.answers: dict[bytes, tuple[float, codec.TxAck]] = {}
        self.push_sources: set[Any] = set()
        self.pull_source: Any = None
        self._token = 0
        self.socket.settimeout(LOOK_UP_S)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive(), "closing the socket now would leave its number to somebody else's file"
        self.socket.close()

    def _serve(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                data, source = self.socket.recvfrom(65_535)
                self._take(data, source, time.monotonic())

    def _take(self, data: bytes, source: Any, at: float) -> None:
        found = codec.decode(data)
        assert not isinstance(found, codec.Refused), f"the ether sent {data!r}"
        ack = found.header.ack
        if ack is not None and self.acknowledges:
            self.socket.sendto(ack, source)
        if isinstance(found, codec.PushData):
            self.push_sources.add(source)
            self.raw.append(data)
            self.packets.extend((at, packet) for packet in found.packets)
        elif isinstance(found, codec.TxAck):
            self.answers[found.header.token] = (at, found)
        else:
            self.pull_source = source

    def send(self, wanted: Txpk, version: int = 2) -> tuple[bytes, float]:
        """Orders a transmission; returns its token and when it was sent."""
        wait_until(lambda: self.pull_source is not None, "a PULL_DATA of the station")
        self._token += 1
        token = self._token.to_bytes(2, "big")
        self.socket.sendto(
            codec.encode(codec.PullResp(Header(version, token, Identifier.PULL_RESP), wanted)), self.pull_source
        )
        return token, time.monotonic()

    def answer(self, token: bytes) -> codec.TxAck:
        wait_until(lambda: token in self.answers, "a TX_ACK")
        return self.answers[token][1]

    def wait_for_packets(self, count: int) -> list[Rxpk]:
        wait_until(lambda: len(self.packets) >= count, f"{count} packets")
        return [packet for _, packet in self.packets]


@dataclasses.dataclass
class RunningEther:
    """An ether process under test."""

    process: subprocess.Popen[str]
    folder: Path
    control: str
    gpsd: str

    def client(self) -> EtherClient:
        return EtherClient(self.control)

    def terminate(self, number: int = signal.SIGTERM) -> int:
        """Signals the process and returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)

    def report(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "report.json").read_text()))


@contextmanager
def running_ether(folder: Path, **config: Any) -> Iterator[RunningEther]:
    """Starts `python -m devnet.ether` with this configuration and ends it afterwards."""
    addresses = folder / "addresses.json"
    files = {"report": str(folder / "report.json"), "address_file": str(addresses)}
    (folder / "ether.json").write_text(json.dumps({"channel": "simulated", "seed": 7, **files, **config}))
    process = start(folder)
    try:
        wait_until(lambda: addresses.exists() or process.poll() is not None, "the address file")
        assert process.poll() is None, process.communicate()[1]
        yield RunningEther(process, folder, **json.loads(addresses.read_text()))
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def start(folder: Path) -> subprocess.Popen[str]:
    """The process itself, for a configuration that is there already."""
    return subprocess.Popen(
        [sys.executable, "-m", "devnet.ether", "--config", str(folder / "ether.json")],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "error"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def fixed(name: str, hotspot: FakeHotspot, where: Place = MUNSTER, **changed: Any) -> dict[str, Any]:
    """A station as the configuration describes it."""
    station = {"name": name, "hotspot": hotspot.address, "kind": "fixed", "gain_dbi": 2}
    return {**station, "lat": where.latitude_deg, "lon": where.longitude_deg, **changed}
