"""Where a devnet keeps its things: one directory, so that a second start finds everything and `rm -r` ends it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

VALIDATORS = 4
PORTS = range(15_000, 32_000)


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths below one devnet's directory."""

    root: Path

    @property
    def network_file(self) -> Path:
        """All that another directory needs to join."""
        return self.root / "network.json"

    @property
    def files(self) -> Path:
        """Params, region file, baseline: public."""
        return self.root / "files"

    @property
    def chain_state(self) -> Path:
        return self.root / "chain" / "state.json"

    @property
    def facts_file(self) -> Path:
        return self.root / "devnet.json"

    @property
    def founding_marker(self) -> Path:
        """There from the first step of founding until `facts_file` is written."""
        return self.root / "devnet.founding"

    @property
    def founded(self) -> tuple[Path, ...]:
        """Everything founding makes but logs: what an interrupted founding leaves."""
        folders = ("files", "chain", "ether", "claims", "map", "evidence", "validators", "hotspots")
        return (self.network_file, *(self.root / name for name in folders))

    @property
    def claims_key(self) -> Path:
        return self.root / "claims" / "payer.key"

    @property
    def ether(self) -> Path:
        return self.root / "ether"

    @property
    def map(self) -> Path:
        return self.root / "map"

    @property
    def evidence(self) -> Path:
        """Public evidence this devnet's own reports are made from."""
        return self.root / "evidence"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def validator(self, number: int) -> Path:
        return self.root / "validators" / str(number)

    def hotspot(self, name: str) -> Path:
        return self.root / "hotspots" / name

    def pipe(self, name: str) -> Path:
        """What a Wi-Fi hotspot's bridge and the ether call their two FIFOs after."""
        return self.ether / name

    def make(self) -> None:
        """Makes every directory that must exist."""
        for path in (self.files, self.chain_state.parent, self.ether, self.logs, self.claims_key.parent, self.map):
            path.mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports of one devnet; kept, so that a resumed network is where it was."""

    chain: int
    validators: tuple[int, ...]
    hotspots: tuple[int, ...]
    ether_control: int
    ether_gpsd: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What a devnet was founded with, and what a second start needs."""

    scenario: str
    seed: int
    ports: Ports
    hotspots: tuple[str, ...]
    """Names, in the order of `ports.hotspots`."""
    genesis_ms: int
    receptions: str
    """Path of the measured file in a trace, else empty."""
    baseline: str | None = None
    """Path of the baseline, empty if none was given; None where an earlier release did not note it."""
    wifi: tuple[str, ...] = ()
    """Those of `hotspots` whose radio is Wi-Fi."""


def save_facts(layout: Layout, facts: Facts) -> None:
    """Writes the facts, whole or not at all."""
    beside = layout.facts_file.with_suffix(".new")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(asdict(facts), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(layout.facts_file)


def load_facts(layout: Layout) -> Facts | None:
    """The facts of a founded devnet, or None in a fresh directory."""
    if not layout.facts_file.exists():
        return None
    tree: dict[str, Any] = json.loads(layout.facts_file.read_text(encoding="utf-8"))
    ports = {name: tuple(value) if isinstance(value, list) else value for name, value in tree.pop("ports").items()}
    names = {field: tuple(tree.pop(field, ())) for field in ("hotspots", "wifi")}
    return Facts(ports=Ports(**ports), **names, **tree)


def free_ports(count: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> list[int]:
    """Loopback ports nobody listens on now, below those the system hands out by itself: nobody takes them meanwhile."""
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        if len(found) == count:
            return found
        with socket.socket(socket.AF_INET, kind) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
    raise OSError(f"fewer than {count} free ports between {PORTS[0]} and {PORTS[-1]}")


def choose_ports(hotspots: int) -> Ports:
    chain, control, gpsd, *validators = free_ports(3 + VALIDATORS)
    return Ports(chain, tuple(validators), tuple(free_ports(hotspots, socket.SOCK_DGRAM)), control, gpsd)
