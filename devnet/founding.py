"""Founds a devnet: params and baseline as files, keys, the contracts on a fresh chain, network.json, registrations."""

from __future__ import annotations

import json
import secrets
import time
import urllib.request
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from chain.calls import register
from chain.deploy import Plan, deploy
from chain.key_files import create_key
from chain.network import NetworkFile, ValidatorEntry, checksum, dump
from chain.reader import ChainReader
from chain.sender import Sender
from devnet.layout import VALIDATORS, Facts, Layout, Ports
from devnet.scenarios import Scenario, Station, params_text
from hotspot import config as hotspot_config
from hotspot import keys as device_keys
from protocol.ids import Address
from protocol.keys import quorum_address
from protocol.parameters import Parameters, params_hash, parse
from protocol.records import REGISTRATION, Registration
from protocol.rulebook import TEXT

CHAIN_ID = 31_337
COIN_WEI = 10**24
"""Native coin anvil gives a devnet account to pay gas with; worth nothing."""
SETUP_S, HOTSPOTS_SET_UP_PER_S = 25, 4
"""From founding to the start of epoch 1: three times what it takes on a quiet machine with two cores."""
WIFI_SOCKET = "wifi.sock"
"""Of a Wi-Fi hotspot's bridge, in its directory."""
RPC_TIMEOUT_S = 5
CHAIN_START_S = 30
POLL_S = 0.1
REGISTRATION_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Founded:
    """A devnet that stands: what the rest of the run works with."""

    network: NetworkFile
    params: Parameters
    facts: Facts


def rpc_url(ports: Ports) -> str:
    return f"http://127.0.0.1:{ports.chain}"


def rpc(url: str, method: str, *params: Any) -> Any:
    """One JSON-RPC request; OSError when nobody answers."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=RPC_TIMEOUT_S) as response:  # noqa: S310 - loopback
        return json.load(response)["result"]


def wait_for_chain(url: str) -> None:
    """Returns once the chain answers; OSError after CHAIN_START_S."""
    deadline = time.monotonic() + CHAIN_START_S
    while True:
        try:
            rpc(url, "eth_chainId")
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)
        else:
            return


def give_coin(url: str, account: Address) -> None:
    """Lets a devnet account pay gas."""
    rpc(url, "anvil_setBalance", checksum(account), hex(COIN_WEI))


def write_files(layout: Layout, scenario: Scenario) -> tuple[bytes, Parameters]:
    """Puts params, region file and baseline where validators read them; (params file, params)."""
    shipped = package_files("params")
    params_file = params_text(shipped.joinpath("devnet.toml").read_text(encoding="utf-8"), scenario).encode("utf-8")
    (layout.files / "params.toml").write_bytes(params_file)
    (layout.files / "devnet.cells").write_bytes(shipped.joinpath("regions/devnet.cells").read_bytes())
    if scenario.baseline is not None:
        (layout.files / "baseline.rows").write_bytes(scenario.baseline.imported.data)
    params = parse(params_file)
    problems = params.problems()
    assert not problems, f"the shipped params fit together: {problems}"
    return params_file, params


def found(layout: Layout, scenario: Scenario, ports: Ports, map_url: str) -> Founded:
    """Deploys the contracts on the running chain and registers every hotspot; epoch 1 starts when set-up is done."""
    params_file, params = write_files(layout, scenario)
    url = rpc_url(ports)
    setup_s = SETUP_S + len(scenario.stations) // HOTSPOTS_SET_UP_PER_S
    genesis_ms = (int(time.time()) + setup_s) * 1_000 - params.epoch.length_ms
    digest = params_hash(params_file, TEXT)
    members = [_validator_keys(layout, number, url) for number in range(1, VALIDATORS + 1)]
    plan = Plan.of(params, digest, genesis_ms, members)
    deployer = secrets.token_bytes(32)  # used once and never stored: it holds no role afterwards
    give_coin(url, _account(deployer))
    deployed = deploy(url, deployer, CHAIN_ID, plan)
    network = NetworkFile(
        name=f"devnet-{scenario.name}",
        chain_id=CHAIN_ID,
        genesis_hash=deployed.genesis_hash,
        rpc_urls=(url,),
        contracts=deployed.contracts,
        deployed_block=deployed.block,
        params_hash=digest,
        validators=tuple(
            ValidatorEntry(owner, key, f"127.0.0.1:{port}")
            for (owner, key), port in zip(members, ports.validators, strict=True)
        ),
        map_url=map_url,
        confirmations=None,
        simulated={"what": scenario.what, "scenario": scenario.name, "ether": f"127.0.0.1:{ports.ether_control}"},
    )
    layout.network_file.write_text(dump(network), encoding="utf-8")
    facts = Facts(
        scenario=scenario.name,
        seed=scenario.seed,
        ports=ports,
        hotspots=tuple(one.name for one in scenario.stations),
        genesis_ms=genesis_ms,
        receptions=str(scenario.receptions.resolve()) if scenario.receptions else "",
        baseline=str(scenario.baseline_file.resolve()) if scenario.baseline_file else "",
        wifi=tuple(one.name for one in scenario.stations if one.kind.is_wifi),
    )
    return Founded(network, params, facts)


def _account(secret: bytes) -> Address:
    import coincurve

    return quorum_address(coincurve.PrivateKey(secret))


def _validator_keys(layout: Layout, number: int, url: str) -> tuple[Address, Address]:
    """The accounts of a validator's owner key and, kept apart from it, of its signing key; both can pay gas."""
    directory = layout.validator(number)
    signing = create_key(directory / "validator.key")
    owner = create_key(directory / "owner.key")
    for key in (owner, signing):
        give_coin(url, quorum_address(key))
    return quorum_address(owner), quorum_address(signing)


def register_all(layout: Layout, network: NetworkFile, scenario: Scenario, ports: Ports) -> None:
    """Makes every hotspot's directory and key, and registers them one after the other, in the scenario's order."""
    url = rpc_url(ports)
    payer = create_key(layout.claims_key)
    give_coin(url, quorum_address(payer))
    reader = ChainReader(network)
    sender = Sender(reader, payer.secret, layout.claims_key.with_suffix(".sqlite"))
    try:
        sent = [
            sender.send(register(network, *_registration(layout, network, station, port, ports)))
            for station, port in zip(scenario.stations, ports.hotspots, strict=True)
        ]
        for transaction in sent:
            sender.wait(transaction, REGISTRATION_TIMEOUT_S)
    finally:
        sender.close()
        reader.close()


def _registration(
    layout: Layout, network: NetworkFile, station: Station, port: int, ports: Ports
) -> tuple[Registration, bytes]:
    directory = layout.hotspot(station.name)
    directory.mkdir(mode=0o755, parents=True)
    key = device_keys.create(directory)
    owner = create_key(directory / "owner.key")
    _write_config(directory, station, port, ports)
    x, y = key.coordinates
    registration = Registration(
        x=x,
        y=y,
        owner=quorum_address(owner),
        cell=station.cell,
        gain_cdb=station.gain_cdb,
        elevation_m=station.elevation_m,
        kind=station.kind,
    )
    return registration, key.sign(REGISTRATION, network.network, registration.encode())


def _write_config(directory: Path, station: Station, port: int, ports: Ports) -> None:
    gpsd, device = None, None
    if station.kind.is_mapper:
        gpsd, device = f"127.0.0.1:{ports.ether_gpsd}", f"/dev/{station.name}"
    more = [hotspot_config.setting("wifi_bridge", WIFI_SOCKET)] if station.kind.is_wifi else []
    if station.kind.is_mapper:
        more.append(hotspot_config.setting("quiet_home_m", 0))  # it drives round nobody's home
    text = hotspot_config.new_file(f"127.0.0.1:{port}", gpsd, device, *more)
    (directory / hotspot_config.CONFIG_FILE).write_text(text, encoding="utf-8")


def ether_config(layout: Layout, scenario: Scenario, ports: Ports) -> dict[str, Any]:
    """The ether's configuration: every hotspot as a station at its port."""
    tree: dict[str, Any] = {
        "channel": scenario.name,
        "seed": scenario.seed,
        "control": f"127.0.0.1:{ports.ether_control}",
        "gpsd": f"127.0.0.1:{ports.ether_gpsd}",
        "address_file": str(layout.ether / "address.json"),
        "report": str(layout.ether / "report.json"),
        "stations": [
            _ether_station(layout, station, port)
            for station, port in zip(scenario.stations, ports.hotspots, strict=True)
        ],
    }
    if scenario.receptions is not None:
        tree["receptions"] = str(scenario.receptions)
    return tree


def _ether_station(layout: Layout, station: Station, port: int) -> dict[str, Any]:
    to = {"pipe": str(layout.pipe(station.name))} if station.kind.is_wifi else {"hotspot": f"127.0.0.1:{port}"}
    tree: dict[str, Any] = {
        "name": station.name,
        **to,
        "kind": "mapper" if station.kind.is_mapper else "fixed",
        "gain_dbi": station.gain_cdb / 100,
    }
    if station.place is not None:
        tree |= {"lat": station.place.latitude_text, "lon": station.place.longitude_text}
    if station.route_radius_m:
        tree["route"] = {"radius_m": station.route_radius_m}
    if station.mapper is not None:
        tree["mapper"] = {"tx_id": station.mapper[0], "cell": f"{station.mapper[1]:x}"}
    if station.receiver is not None:
        tree["receiver"] = station.receiver
    return tree
