"""All of `doctor`: what the machine knows, what the running hotspot says, what the network answers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from chain.network import NetworkFile, NetworkFileError, load
from hotspot.doctor import machine, network, running, stakes
from hotspot.doctor.findings import Finding, Level, finding
from hotspot.looking.status_client import NotRunningError, ask

WAITING_CODES = frozenset({"waiting"})


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found, problems first, and whether a hotspot runs."""

    findings: tuple[Finding, ...]
    is_running: bool

    @property
    def has_problems(self) -> bool:
        return any(one.level is Level.PROBLEM for one in self.findings)


def examine(directory: Path, given: str | None, usual: str) -> Examination:
    """Examines the hotspot of a directory.

    `given`: its network's file or address; None: what hotspot.toml names, or the file `usual` where there is one.
    """
    config, found = machine.settings(directory, os.environ)
    is_readable = not found
    hotspot_id, key_findings = machine.key(directory)
    found += key_findings
    eui = config.transmit_forwarder.hex() if config.transmit_forwarder else None
    try:
        answer = ask(directory)
    except NotRunningError:
        answer = None
        ports = [] if config.wifi_bridge or config.wifi_scan else machine.port(config.listen)
        found += [finding("not_running", directory=directory.resolve()), *ports, *machine.gps(config, directory)]
    else:
        found += running.find(answer)
    found += [*machine.disk(directory), *machine.forwarder_configs(config, eui)]
    file, network_findings = _network(given or config.network or (usual if Path(usual).exists() else None))
    found += [one for one in network_findings if is_readable or one.code != "network_missing"]
    if file is not None:
        found += [*network.find(file, config, hotspot_id), *stakes.find(file, config.validators)]
    found += machine.clock(_addresses(file))
    return Examination(_sorted(found), answer is not None)


def _network(source: str | None) -> tuple[NetworkFile | None, list[Finding]]:
    if source is None:
        return None, [finding("network_missing")]
    try:
        return load(source), []
    except NetworkFileError as error:
        return None, [finding("network_invalid", problem=str(error))]


def _addresses(file: NetworkFile | None) -> list[str]:
    return [] if file is None else [one for one in (*file.rpc_urls, file.map_url) if one]


def _sorted(found: list[Finding]) -> tuple[Finding, ...]:
    """Each finding once, by code and sentence; problems before notes, in the order they were found."""
    unique = {(one.code, one.sentence): one for one in found}
    return tuple(sorted(unique.values(), key=lambda one: one.level is Level.NOTE))
