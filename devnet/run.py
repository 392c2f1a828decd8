"""Runs a devnet: starts every process through its public command, follows the chain, claims, audits, reports, ends."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chain.errors import ChainError
from chain.events import Deposited, RootSubmitted, ValidatorJoined
from chain.history import History
from chain.key_files import load_key
from chain.network import load as load_network
from chain.reader import ChainReader
from chain.sender import Sender
from chain.terminal import UNREACHABLE
from devnet import directory, founding, scenarios, toolchain
from devnet.balances import due
from devnet.claims import claim_all
from devnet.ether import trace as ether_trace
from devnet.ether.client import EtherClient
from devnet.evidence import EvidenceMissingError, EvidenceReader
from devnet.faults import Faults, Timed
from devnet.layout import VALIDATORS, Facts, Layout, Ports, choose_ports, load_facts, save_facts
from devnet.processes import PYTHON, Supervisor
from devnet.report import EpochLine, RunReport
from devnet.scenarios import Scenario
from hotspot import keys as device_keys
from hotspot.looking.status_client import ask as ask_hotspot
from hotspot.radio.gwmp.server import PACKETS
from protocol.parameters import Parameters, parse
from protocol.schedule import epoch_start_ms
from validator.blobs import BlobStore
from validator.chain_view import ChainView
from validator.disk import Disk
from validator.rules import NetworkRules, load_rules
from validator.sources import BlobSource
from validator.wire.client import PeerClient

POLL_S = 0.5
SERVING_TIMEOUT_S = 60
AUDIT_TIMEOUT_S = 120
DEFAULT_SEED = 1
LATE_AFTER_EPOCHS = 3
"""A bounded run gives up this many epochs after its last one."""
STATUS_EVERY_S = 2
KEPT_EPOCHS = 64
"""Exit code of an audit that needs something nobody has yet."""
MAX_SENTENCES = 64
MB = 1024 * 1024
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What the command was asked for."""

    directory: Path
    scenario: str | None = None
    """None, as everywhere here: not asked for, so that a resumed devnet keeps what it has."""
    seed: int | None = None
    epochs: int | None = None
    receptions: Path | None = None
    baseline: Path | None = None
    map_port: int | None = 8080
    faults: Faults = field(default_factory=Faults)


class RunFailedError(Exception):
    """The run cannot go on or did not come out right; the message is a sentence with what to look at."""


def prepare(options: Options) -> Scenario:
    """The scenario of the options; errors of the files it reads pass through as sentences."""
    seed = DEFAULT_SEED if options.seed is None else options.seed
    if options.scenario != "trace":
        return scenarios.simulated(seed, options.baseline)
    assert options.receptions is not None, "the command asks for them"
    plan = ether_trace.load(options.receptions)
    if not plan.mappers or not plan.receivers:
        raise RunFailedError(f"{options.receptions} holds no reception that can be replayed: it needs positions.")
    return scenarios.trace(plan, options.receptions, seed, options.baseline)


class Devnet:
    """One run of one devnet's processes."""

    def __init__(self, options: Options, say: Say) -> None:
        self._options, self._say = options, say
        self._layout = Layout(options.directory)
        self._layout.make()
        self._processes = Supervisor(self._layout.logs)
        self._pending_faults = list(options.faults.timed)
        self._started, self._started_at_ms = time.monotonic(), self._now_ms()
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="devnet")
        self._ending = threading.Event()
        self._jobs: dict[tuple[str, int], Future[Any]] = {}
        self._worked_on: dict[int, bytes] = {}
        """The root each epoch's jobs are about, by its data hash."""
        self.sentences: list[str] = []
        """What was said of epochs that waited, and of what had to be tried again."""

    @property
    def params(self) -> Parameters:
        return self._params

    @property
    def simulated(self) -> str:
        """What is simulated, as every screen must say."""
        return str((self._network.simulated or {}).get("what", "nothing"))

    # --- starting -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts or resumes every process, and returns when the network serves."""
        facts = load_facts(self._layout)
        if facts is None:
            self._found()
        else:
            self._resume(facts)
        self._open_chain()
        self._wait_until_serving()
        self._start_bridges()
        self._start_hotspots()
        self._start_map()

    def _found(self) -> None:
        scenario = prepare(self._options)
        ports = choose_ports(len(scenario.stations))
        self._say(
            f"Founding a devnet in {self._layout.root}: {len(scenario.stations)} hotspots, {VALIDATORS} validators."
        )
        with directory.founding_in(self._layout):
            self._found_as(scenario, ports)

    def _found_as(self, scenario: Scenario, ports: Ports) -> None:
        self._start_chain(ports)
        founded = founding.found(self._layout, scenario, ports, self._map_url)
        self._start_validators()
        config = founding.ether_config(self._layout, scenario, ports)
        (self._layout.ether / "config.json").write_text(json.dumps(config), encoding="utf-8")
        self._start_ether()
        founding.register_all(self._layout, founded.network, scenario, ports)
        save_facts(self._layout, founded.facts)
        self._facts = founded.facts
        first_ms = founded.facts.genesis_ms + founded.params.epoch.length_ms
        if self._now_ms() > first_ms - founded.params.epoch.seed_lead_ms:
            self._say("Set-up took longer than planned: some hotspots play from epoch 2 on. Is the machine very busy?")

    def _resume(self, facts: Facts) -> None:
        self._refuse_contradictions(facts)
        self._layout.founding_marker.unlink(missing_ok=True)
        self._say(f"Resuming the devnet in {self._layout.root}; epochs that passed meanwhile are empty.")
        self._facts = facts
        self._start_chain(facts.ports)
        self._start_validators()
        self._start_ether()

    def _refuse_contradictions(self, facts: Facts) -> None:
        """RunFailedError if the devnet here is not the one asked for."""
        asked, params = self._options, parse((self._layout.files / "params.toml").read_bytes())
        reason = directory.contradiction(
            facts,
            self._layout,
            scenario=asked.scenario,
            seed=asked.seed,
            receptions=asked.receptions,
            baseline=asked.baseline,
        )
        if asked.epochs is not None and self._now_ms() >= epoch_start_ms(facts.genesis_ms, params.epoch, 2):
            reason = reason or (
                f"The devnet in {self._layout.root} has played epoch 1 already, and --epochs counts from there. "
                "Leave --epochs out to resume it, or give another --directory for a new one."
            )
        if reason:
            raise RunFailedError(reason)

    @property
    def _map_url(self) -> str:
        return f"http://127.0.0.1:{self._options.map_port}" if self._options.map_port else ""

    def _start_chain(self, ports: Ports) -> None:
        command = toolchain.anvil_command(
            toolchain.anvil(), port=ports.chain, chain_id=founding.CHAIN_ID, state=self._layout.chain_state
        )
        toolchain.keep_one_genesis(self._layout.chain_state)
        self._processes.start("chain", command)
        try:
            founding.wait_for_chain(founding.rpc_url(ports))
        except OSError as error:
            raise RunFailedError(f"The chain does not answer: {error}.\n{self._processes.tail('chain')}") from error

    def _start_validators(self) -> None:
        for number in range(1, VALIDATORS + 1):
            self._start_validator(number)

    def _start_validator(self, number: int) -> None:
        network = load_network(str(self._layout.network_file))
        faults = self._options.faults.options(number)
        program = [*PYTHON, "devnet.faulty_validator"] if faults else [*PYTHON, "farfield", "validator", "run"]
        where = {
            "--network": str(self._layout.network_file),
            "--directory": str(self._layout.validator(number)),
            "--listen": network.validators[number - 1].endpoint,
            "--files": str(self._layout.files),
        }
        arguments = [text for pair in where.items() for text in pair]
        self._processes.start(f"validator-{number}", [*program, *arguments, *faults])

    def _start_ether(self) -> None:
        config = self._layout.ether / "config.json"
        self._processes.start("ether", [*PYTHON, "devnet.ether", "--config", str(config)])

    def _start_bridges(self) -> None:
        """A Wi-Fi bridge each for the hotspots that need one, on FIFOs to the ether."""
        for name in self._facts.wifi:
            interface, socket = f"pipe:{self._layout.pipe(name)}", self._layout.hotspot(name) / founding.WIFI_SOCKET
            command = [*PYTHON, "hotspot.radio.wifi", "--iface", interface, "--socket", str(socket)]
            self._processes.start(f"bridge-{name}", command)

    def _start_hotspots(self) -> None:
        directories = [
            text for name in self._facts.hotspots for text in ("--directory", str(self._layout.hotspot(name)))
        ]
        command = [*PYTHON, "farfield", "hotspot", "run", "--network", str(self._layout.network_file), *directories]
        self._processes.start("hotspots", command)

    def _start_map(self) -> None:
        if self._options.map_port is None:
            return
        command = [*PYTHON, "farfield", "map", "serve", "--network", str(self._layout.network_file)]
        arguments = ["--port", str(self._options.map_port), "--directory", str(self._layout.map)]
        self._processes.start("map", [*command, *arguments])

    def _open_chain(self) -> None:
        self._network = load_network(str(self._layout.network_file))
        self._params: Parameters = parse((self._layout.files / "params.toml").read_bytes())
        self._reader = ChainReader(self._network)
        self._chain = ChainView(self._reader, History(self._reader), self._params)
        payer = load_key(self._layout.claims_key)
        self._sender = Sender(self._reader, payer.secret, self._layout.claims_key.with_suffix(".sqlite"))
        self._evidence = EvidenceReader(self._network, self._layout.evidence)
        need = asyncio.run(self._rules()).need
        self._report = RunReport(self._params, need, self._facts.genesis_ms)

    async def _rules(self) -> NetworkRules:
        store = BlobStore(self._layout.evidence, Disk())
        for path in sorted(self._layout.files.iterdir()):
            store.put(path.read_bytes())
        return await load_rules((self._layout.files / "params.toml").read_bytes(), BlobSource(store, []))

    def _wait_until_serving(self) -> None:
        """Returns once every validator answers; a process that ends meanwhile ends the run."""
        deadline = time.monotonic() + SERVING_TIMEOUT_S
        while time.monotonic() < deadline:
            self._processes.check()
            if all(asyncio.run(self._statuses()).values()):
                self._chain.refresh()
                return
            time.sleep(POLL_S)
        raise RunFailedError(f"The validators do not answer.\n{self._processes.tail('validator-1')}")

    async def _statuses(self) -> dict[int, Any]:
        """GetStatusReply of each validator, or None."""
        peers = [PeerClient(one.owner, one.endpoint, "") for one in self._network.validators]
        found = await asyncio.gather(*(peer.status() for peer in peers))
        await asyncio.gather(*(peer.close() for peer in peers))
        return dict(enumerate(found, 1))

    # --- running ------------------------------------------------------------------------------------------------------

    def follow(self) -> None:
        """Runs until the last epoch wanted is settled, claimed and audited, or until interrupted."""
        status_at = 0.0
        while not self._is_done():
            self._processes.check()
            self._processes.measure()
            self._apply_faults()
            try:
                self._chain.refresh()
            except ChainError as error:
                self._say(str(error))
            self._advance()
            if time.monotonic() >= status_at:
                self._show_waiting()
                status_at = time.monotonic() + STATUS_EVERY_S
            self._check_deadline()
            time.sleep(POLL_S)

    def _is_done(self) -> bool:
        wanted = self._options.epochs
        if wanted is None:
            return False
        return self._is_paid(wanted) and all(
            self._is_paid(epoch) or self._has_no_root(epoch) for epoch in range(1, wanted)
        )

    def _is_paid(self, epoch: int) -> bool:
        return self._finished("claim", epoch) and self._finished("audit", epoch)

    def _has_no_root(self, epoch: int) -> bool:
        """True if a later epoch's root came first and pays this one's work too."""
        newest = self._chain.last_root()
        return newest is not None and newest.epoch > epoch and self._chain.root(epoch) is None

    def _finished(self, what: str, epoch: int) -> bool:
        job = self._jobs.get((what, epoch))
        return job is not None and job.done()

    def _advance(self) -> None:
        """Starts claims and audits of roots that are ready for them, and takes in what is finished."""
        for root in self._chain.history.roots():
            if not self._is_ours(root):
                continue
            self._forget_replaced(root)
            self._once("audit", root.epoch, lambda root=root: self._audit(root))
            live = self._chain.final.timestamp_ms >= root.active_at_ms
            newest = self._chain.last_root()
            if live and newest is not None and (root.epoch == newest.epoch or newest.active_at_ms > self._now_ms()):
                self._once("claim", root.epoch, lambda root=root: self._claim(root))
        self._take_in_jobs()
        self._finish_replay()

    def _forget_replaced(self, root: RootSubmitted) -> None:
        """What was done for a root the chain has lost to another is done again for that one."""
        if self._worked_on.setdefault(root.epoch, root.data_hash) != root.data_hash:
            self._worked_on[root.epoch] = root.data_hash
            for what in ("audit", "claim"):
                self._jobs.pop((what, root.epoch), None)

    def _is_ours(self, root: RootSubmitted) -> bool:
        """True for epochs this run tells of: up to the last one wanted, or, without an end, those since it started."""
        if self._options.epochs is not None:
            return root.epoch <= self._options.epochs
        newest = self._chain.last_root()
        recent = newest is not None and root.epoch > newest.epoch - KEPT_EPOCHS
        return recent and root.active_at_ms > self._started_at_ms

    def _take_in_jobs(self) -> None:
        """What the chain or a validator did not answer is tried again; anything else ends the run."""
        newest = max((epoch for _, epoch in self._jobs), default=0)
        for (what, epoch), job in list(self._jobs.items()):
            error = job.exception() if job.done() else None
            if isinstance(error, (ChainError, EvidenceMissingError)):
                self._say_once(f"The {what} of epoch {epoch} is tried again: {error}")
                del self._jobs[what, epoch]
            elif error is not None:
                raise RunFailedError(f"The {what} of epoch {epoch} failed: {error}") from error
            elif epoch <= newest - KEPT_EPOCHS:
                del self._jobs[what, epoch]

    def _once(self, what: str, epoch: int, work: Callable[[], None]) -> None:
        if (what, epoch) not in self._jobs:
            self._jobs[what, epoch] = self._pool.submit(work)

    def _now_ms(self) -> int:
        return int(time.time() * 1_000)

    def _audit(self, root: RootSubmitted) -> None:
        """Audits an epoch with nothing but network.json and a fresh directory, in a process of its own."""
        line = EpochLine(self._evidence.read(self._chain, root), self._chain.seed(root.epoch) or b"")
        if self._options.epochs is not None:
            with tempfile.TemporaryDirectory(prefix="farfield-audit-") as fresh:
                alone = shutil.copy(self._layout.network_file, fresh)
                command = [*PYTHON, "farfield", "validator", "audit", str(root.epoch), "--network", alone]
                done = subprocess.run(
                    [*command, "--directory", fresh, "--json"],
                    capture_output=True,
                    text=True,
                    timeout=AUDIT_TIMEOUT_S,
                    check=False,
                )
            if done.returncode == UNREACHABLE:
                raise EvidenceMissingError(done.stderr.strip())
            if not done.stdout:
                raise RunFailedError(f"The audit of epoch {root.epoch} could not be made: {done.stderr.strip()}")
            found = json.loads(done.stdout)
            line.audited, line.difference = found["root_audited"], found["difference"]
        if self._options.epochs is not None:
            self._report.lines[root.epoch] = line
        evidence = line.evidence
        audited = " Audited alone: same root." if line.audited == "0x" + root.root.hex() else ""
        self._say(
            f"Epoch {root.epoch}: {len(evidence.evidence.beacons)} beacons, {len(evidence.evidence.witnesses)} witness "
            f"reports, {evidence.accepted_witnesses()} accepted; root signed by {len(root.signers)} of {VALIDATORS} "
            f"validators is on chain.{audited}"
        )

    def _claim(self, root: RootSubmitted) -> None:
        holders = self._chain.history.holders_at(self._chain.final.number)
        sent = claim_all(self._reader, self._sender, root, self._evidence.state(root), holders, self._ending)
        if self._ending.is_set():
            return
        self._say(f"Epoch {root.epoch}: {sent} claims paid.")

    def _finish_replay(self) -> None:
        """After its last epoch a bounded trace carries no more measured rows."""
        if self._options.epochs is None or not self._facts.receptions:
            return
        end_ms = self._chain.end_ms(self._options.epochs)
        if self._now_ms() > end_ms - self._params.epoch.guard_ms:
            self._once("finish", self._options.epochs, lambda: self._ask_ether(lambda ether: ether.finish(end_ms)))

    def _ask_ether(self, ask: Callable[[EtherClient], Any]) -> Any:
        with EtherClient(f"127.0.0.1:{self._facts.ports.ether_control}") as ether:
            return ask(ether)

    def _show_waiting(self) -> None:
        """Says what an epoch waits for, once for each epoch, whichever validator says it first."""
        for status in asyncio.run(self._statuses()).values():
            if status and status.waiting:
                self._say_once(status.waiting, " ".join(status.waiting.split()[:2]))

    def _say_once(self, sentence: str, about: str = "") -> None:
        """Says a sentence unless one that begins the same way has been said lately."""
        if not any(said.startswith(about or sentence) for said in self.sentences[-MAX_SENTENCES:]):
            self.sentences.append(sentence)
            self._say(sentence)

    def _check_deadline(self) -> None:
        wanted = self._options.epochs
        if wanted is None:
            return
        late_ms = self._chain.end_ms(wanted) + LATE_AFTER_EPOCHS * self._params.epoch.length_ms
        if self._now_ms() > late_ms:
            open_epochs = [epoch for epoch in range(1, wanted + 1) if not self._finished("claim", epoch)]
            raise RunFailedError(
                f"Epochs {open_epochs} are not settled and claimed {LATE_AFTER_EPOCHS} epochs after the last one. "
                f"{' '.join(self.sentences)}\n{self._processes.tail('validator-1')}"
            )

    # --- faults -------------------------------------------------------------------------------------------------------

    def _apply_faults(self) -> None:
        for fault in list(self._pending_faults):
            if self._now_ms() >= self._chain.start_ms(fault.epoch) + fault.into_epoch_ms:
                self._pending_faults.remove(fault)
                self._apply(fault)

    def _apply(self, fault: Timed) -> None:
        self._say(f"Fault: {fault.text}.")
        if fault.action == "reorg":
            founding.rpc(founding.rpc_url(self._facts.ports), "anvil_reorg", fault.amount, [])
        elif fault.action == "outage":
            self._processes.freeze("chain", fault.amount)
        for number in fault.validators:
            if fault.action == "kill":
                self._processes.kill(f"validator-{number}")
            else:
                self._start_validator(number)

    # --- ending -------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Ends every process this run started: radios first, the chain last, so that its last state is on disk."""
        self._ending.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        running = self._processes.running
        self._processes.end([name for name in running if name != "chain"])
        self._processes.end()

    def report(self) -> dict[str, Any]:
        """OUT.json; call while the network still runs, after `follow`."""
        self._chain.refresh()
        rxpk = self._rxpk_taken()
        accounting = self._accounting() if self._facts.receptions else None
        final = self._chain.final.number
        registry = {one.hotspot_id: one for one in self._chain.history.registry_at(final)}
        tree = self._report.tree(self._chain.history.claims(), accounting, registry)
        return tree | {
            "claimed_total": str(sum(one.amount for one in self._chain.history.claims())),
            "fees_burned": str(self._fees_burned()),
            "supply_growth": str(self._supply_growth()),
            "balances": self._balances(),
            "rxpk_taken_by_hotspots": rxpk,
            "waited": self.sentences,
            "simulated": self._network.simulated,
            "peak_rss_mb": self._processes.peak_rss_bytes // MB,
            "wall_s": round(time.monotonic() - self._started, 1),
        }

    def _rxpk_taken(self) -> int:
        """Packets the hotspots themselves counted, from their own status."""
        counters = [ask_hotspot(self._layout.hotspot(name))["counters"] for name in self._facts.hotspots]
        return sum(sum(one.get(PACKETS, {}).values()) for one in counters)

    def _accounting(self) -> dict[str, Any]:
        """The ether's last account of every row; receivers by hotspot id, of which the registry knows the rest."""
        self._processes.end(["ether"])
        written = json.loads((self._layout.ether / "report.json").read_text(encoding="utf-8"))
        ids = {name: device_keys.load(self._layout.hotspot(name)).hotspot_id.hex() for name in self._facts.hotspots}
        rows = [row | {"rx_hotspot": ids[row["receiver"]]} for row in written["rows"] if row.get("offered")]
        return written | {"rows": rows}

    def problems(self) -> list[str]:
        """What did not come out right, as sentences; empty for a good run."""
        self._chain.refresh()
        found = [
            f"Epoch {epoch}: the audit differs: {line.difference}"
            for epoch, line in sorted(self._report.lines.items())
            if line.difference
        ]
        claimed = sum(one.amount for one in self._chain.history.claims())
        if self._supply_growth() != claimed - self._fees_burned():
            found.append("The token's supply did not grow by exactly what was claimed less the fees that were burned.")
        return found

    def _balances(self) -> dict[str, dict[str, str]]:
        """By account: what it holds, and what the last audited state alone says it must; base units."""
        if not self._report.lines:
            return {}
        state = self._report.lines[max(self._report.lines)].evidence.state
        cumulative = {one.id: one.cumulative for one in state.accounts.values()}
        stakes = {one.owner: one.stake for one in self._chain.history.of(ValidatorJoined) if one.effective_epoch == 0}
        fee = self._reader.call("Hotspots", "registrationFee")
        expected = due(cumulative, self._chain.history.holders_at(self._chain.final.number), stakes, fee)
        return {
            "0x" + account.hex(): {"on_chain": str(self._reader.balance_of(account)), "by_audit": str(amount)}
            for account, amount in expected.items()
        }

    def _fees_burned(self) -> int:
        """Registration fees, burned from what hotspots were paid; base units."""
        return sum(one.fee for one in self._chain.history.of(Deposited))

    def _supply_growth(self) -> int:
        return self._reader.total_supply() - self._reader.genesis_supply()
