"""One validator as a process: builds every part, serves, ticks, and ends cleanly."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from chain.errors import ChainError, ChainUnavailable
from chain.history import History
from chain.key_files import load_key
from chain.network import NetworkFile, checksum, load
from chain.reader import ChainReader
from chain.sender import Sender
from protocol.ids import Address
from protocol.verdicts import Engine
from validator.assembly import NotYetError
from validator.blobs import BlobStore
from validator.chain_view import ChainView
from validator.clock import Clock, SystemClock
from validator.config import Config
from validator.daily_limits import DailyLimits
from validator.disk import Disk
from validator.epoch_files import DamagedRecordError, EpochFiles
from validator.gateway import Gateway
from validator.inbox import Inbox
from validator.peers import Availability
from validator.relay import Relay
from validator.rules import NetworkRules, RulesError, find_params_file, load_rules, toml_files
from validator.runtime import Parts, Runtime
from validator.sessions import Sessions
from validator.signer import JournalDamagedError, Signer
from validator.sources import BlobSource
from validator.verdicts import VerdictDesk

if TYPE_CHECKING:
    import coincurve

    from validator.wire.client import PeerClient

TICK_S = 0.25
CHAIN_EVERY_S = 0.5
RECOVER_EVERY_S = 30
THREADS = 32
"""A step that waits for its transaction holds a thread for up to a minute; this many never wait at once."""
LISTED_FILE_SUFFIXES = (".toml", ".cells", ".rows")
log = structlog.get_logger()


class StartError(Exception):
    """The validator cannot start; the message is a sentence with the next step."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What a test or a faulty validator hands in instead of the real thing."""

    clock: Clock
    receive_clock: Clock
    """Stamps commits when they arrive."""
    disk: Disk
    engine: Callable[[], Engine]
    bend_rules: Callable[[NetworkRules], NetworkRules] = lambda rules: rules


def real_ports() -> Ports:
    from validator.engine.duckdb_engine import DuckDbEngine

    clock = SystemClock()
    return Ports(clock, clock, Disk(), DuckDbEngine)


async def run(config: Config, ports: Ports) -> None:
    """Runs until SIGTERM or SIGINT; StartError says why it cannot."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "validator"))
    async with AsyncExitStack() as stack:
        network = load(config.network)
        reader = ChainReader(network)
        stack.callback(reader.close)
        await _check_chain(reader)
        key = load_key(config.key_path)
        signer = _signer(config, key, network, ports)
        stack.callback(signer.close)
        owner = await asyncio.to_thread(_owner_of, reader, signer.address)
        sender = await asyncio.to_thread(Sender, reader, key.secret, config.directory / "transactions.sqlite")
        stack.callback(sender.close)
        peers = _peers(network, owner)
        for peer in peers:
            stack.push_async_callback(peer.close)
        source = BlobSource(BlobStore(config.directory / "blobs", ports.disk), peers)
        rules = ports.bend_rules(await _rules(config, network, source, peers))
        chain = await asyncio.to_thread(_view, reader, rules)
        parts = _parts(config, ports, owner, chain, rules, source, signer, sender, peers)
        stack.callback(parts.inbox.close)
        runtime = Runtime(parts)
        await _take_up(runtime)
        stack.push_async_callback(runtime.stop)
        await _serve(stack, config, ports, parts, runtime)
        await _loop(chain, runtime, sender)


def _signer(config: Config, key: coincurve.PrivateKey, network: NetworkFile, ports: Ports) -> Signer:
    try:
        return Signer(key, network.domain, config.directory / "signed.log", ports.disk)
    except JournalDamagedError as error:
        raise StartError(str(error)) from error


async def _take_up(runtime: Runtime) -> None:
    try:
        await runtime.start()
    except NotYetError as error:
        raise StartError(
            f"The network's state cannot be taken up: {error}. Check that other validators answer, and start again."
        ) from error


async def _check_chain(reader: ChainReader) -> None:
    try:
        findings = await asyncio.to_thread(reader.check)
    except ChainUnavailable as error:
        raise StartError(str(error)) from error
    if findings:
        raise StartError(" ".join(findings))


def _owner_of(reader: ChainReader, key: Address) -> Address:
    """The owner account the chain has bound the signing key to."""
    try:
        owner = Address(bytes.fromhex(reader.call("Epochs", "validatorOf", checksum(key))[2:]))
    except ChainUnavailable as error:
        raise StartError(str(error)) from error
    if not any(owner):
        raise StartError(f"0x{key.hex()} is no validator's key on chain. Join first, or use the right key.")
    return owner


def _peers(network: NetworkFile, own: Address) -> list[PeerClient]:
    from validator.wire.client import PeerClient

    return [
        PeerClient(one.owner, one.endpoint, f"validator {place} (0x{one.owner.hex()[:8]})")
        for place, one in enumerate(network.validators, 1)
        if one.owner != own
    ]


async def _rules(config: Config, network: NetworkFile, source: BlobSource, peers: list[PeerClient]) -> NetworkRules:
    """The rules with the params hash on chain, from --files or from peers; their files are served on as blobs."""
    for path in sorted(config.files.iterdir()) if config.files else []:
        if path.suffix in LISTED_FILE_SUFFIXES:
            source.store.put(path.read_bytes())
    params_file = find_params_file(toml_files(config.files), network.params_hash)
    for peer in peers if params_file is None else []:
        status = await peer.status()
        data = await source.get(status.params_file) if status else None
        params_file = params_file or find_params_file([data] if data else [], network.params_hash)
    if params_file is None:
        raise StartError(
            "No params file has the params hash on chain with this release's rulebook. "
            "Give its directory with --files, or update Farfield."
        )
    source.store.put(params_file)
    try:
        return await load_rules(params_file, source)
    except RulesError as error:
        raise StartError(str(error)) from error


def _view(reader: ChainReader, rules: NetworkRules) -> ChainView:
    view = ChainView(reader, History(reader), rules.params)
    view.refresh()
    return view


def _parts(
    config: Config,
    ports: Ports,
    owner: Address,
    chain: ChainView,
    rules: NetworkRules,
    source: BlobSource,
    signer: Signer,
    sender: Sender,
    peers: list[PeerClient],
) -> Parts:
    engine = ports.engine()
    inbox = Inbox(config.directory / "inbox", ports.disk)
    return Parts(
        owner=owner,
        chain=chain,
        rules=rules,
        inbox=inbox,
        files=_files(config, ports),
        source=source,
        signer=signer,
        sender=sender,
        peers=peers,
        engine=engine,
        desk=VerdictDesk(owner, chain, rules, inbox, engine, ports.clock),
        clock=ports.clock,
    )


def _files(config: Config, ports: Ports) -> EpochFiles:
    try:
        return EpochFiles(config.directory / "epochs", ports.disk)
    except DamagedRecordError as error:
        raise StartError(str(error)) from error


def _limits(config: Config, ports: Ports, parts: Parts) -> DailyLimits:
    try:
        return DailyLimits(parts.rules.params.relay, parts.clock, config.directory / "relayed-today.json", ports.disk)
    except DamagedRecordError as error:
        raise StartError(str(error)) from error


async def _serve(stack: AsyncExitStack, config: Config, ports: Ports, parts: Parts, runtime: Runtime) -> None:
    from validator.wire.server import Served, start_server

    relay = Relay(parts.chain.reader, parts.sender, _limits(config, ports, parts))
    sessions = Sessions(parts.chain.network, parts.owner)
    gateway = Gateway(
        parts.owner,
        parts.chain,
        parts.inbox,
        sessions,
        parts.signer,
        relay,
        parts.desk,
        parts.clock,
        ports.receive_clock,
    )
    availability = Availability(parts.chain, parts.source, parts.signer, parts.peers, parts.clock, parts.owner)
    standing = Served(parts, runtime)
    try:
        serving = await start_server(config.listen, gateway, availability, standing)
    except RuntimeError as error:
        raise StartError(f"{config.listen} cannot be listened on: {error}. Is another validator running?") from error
    stack.push_async_callback(serving.server.stop, 1)
    log.info("validator_serves", listen=config.listen, port=serving.port, owner="0x" + parts.owner.hex())


async def _loop(chain: ChainView, runtime: Runtime, sender: Sender) -> None:
    """Follows the chain and ticks until a signal ends the process; what crashes beside it ends it too, loudly."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    beside = [asyncio.create_task(_follow(chain, stopping)), asyncio.create_task(_send_again(sender, stopping))]
    try:
        while not stopping.is_set() and not any(task.done() for task in beside):
            await runtime.tick()
            await _pause(stopping, TICK_S)
    finally:
        stopping.set()
        await asyncio.gather(*beside)
    log.info("validator_ends")


async def _send_again(sender: Sender, stopping: asyncio.Event) -> None:
    """Transactions a crash left unsent are sent, and those that are final let go, also if nobody waits for them."""
    failed = 0
    while not stopping.is_set():
        try:
            await asyncio.to_thread(sender.recover)
            failed = 0
        except (ChainError, OSError) as error:
            failed += 1
            log.warning("transactions_wait", why=str(error), failed=failed)
        await _pause(stopping, RECOVER_EVERY_S)


async def _follow(chain: ChainView, stopping: asyncio.Event) -> None:
    silent = False
    while not stopping.is_set():
        try:
            await asyncio.to_thread(chain.refresh)
            await asyncio.to_thread(_warm, chain)
            silent = False
        except ChainUnavailable as error:
            if not silent:
                log.warning("chain_unavailable", why=str(error))
            silent = True
        await _pause(stopping, CHAIN_EVERY_S)


def _warm(chain: ChainView) -> None:
    """Reads the open epochs' registries before a hotspot asks: the gateway then answers without touching the chain."""
    now = chain.epoch_at(chain.final.timestamp_ms)
    for epoch in (now, now + 1):
        if epoch >= 1:
            chain.keys(epoch)


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return
