"""What a hotspot starts from: directories with keys and settings, and a network that is what its file says."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from chain.errors import ChainError
from chain.network import NetworkFile
from chain.reader import WRONG_CHAIN, ChainReader
from chain.terminal import FAILED, KEY_PROBLEM, OTHER_VERSION, UNREACHABLE
from hotspot import config as configs
from hotspot import keys
from hotspot.config import Config
from hotspot.keys import DeviceKey
from hotspot.keys.passphrase import VARIABLE, Ask
from hotspot.playing.rules import OtherVersionError, Rules, RulesError, RulesLoader, UnfitError
from hotspot.wire import ValidatorClient
from protocol.parameters import Windows
from protocol.rulebook import TEXT

LOCK_FILE = "lock"


class StartError(Exception):
    """The hotspot cannot start; a sentence and the exit code."""

    def __init__(self, sentence: str, code: int = FAILED) -> None:
        super().__init__(sentence)
        self.code = code


# --- what it starts from ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Home:
    """A hotspot's directory and what is in it."""

    directory: Path
    config: Config
    device: DeviceKey | None
    """None: no key yet, so it listens only."""


def open_homes(
    directories: Sequence[Path], flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> list[Home]:
    """Key and settings of every directory; StartError names what is wrong with one."""
    if "listen" in (flags or {}) and len(directories) > 1:
        raise StartError("--listen is for one hotspot; give each of several its own `listen` in hotspot.toml.")
    homes = [_open_home(directory, flags, environ) for directory in directories]
    ids = [home.device.hotspot_id for home in homes if home.device is not None]
    if len(set(ids)) < len(ids):
        raise StartError("Two of the directories hold the same key; a hotspot runs once.")
    return homes


def _open_home(directory: Path, flags: Mapping[str, Any] | None, environ: Mapping[str, str] | None) -> Home:
    try:
        return Home(directory, configs.load(directory, environ, flags), load_key(directory))
    except configs.ConfigError as error:
        raise StartError(str(error)) from error


def load_key(directory: Path, ask: Ask | None = None) -> DeviceKey | None:
    """The key of a hotspot's directory, None before there is one. StartError if it cannot be used.

    `ask`: who types its passphrase where no file holds it; None: whoever is at the terminal.
    """
    try:
        return keys.load(directory, ask=ask) if keys.exists(directory) else None
    except keys.KeyProblemError as error:
        raise StartError(str(error), KEY_PROBLEM) from error


def nobody_asked(what: str) -> str:
    """Once a hotspot runs, nobody is asked anything: its radio must not wait for somebody to type."""
    raise keys.KeyProblemError(
        f"{what} is wanted for a key that came while the hotspot ran. Restart the hotspot to type it, or name the "
        f"passphrase's file in {VARIABLE}."
    )


def common_directory(directories: Sequence[Path]) -> Path:
    """Where outbox and rules lie: a lone hotspot's own directory, else the parent all directories share."""
    absolute = [directory.resolve() for directory in directories]
    return absolute[0] if len(absolute) == 1 else Path(os.path.commonpath([one.parent for one in absolute]))


@contextlib.contextmanager
def locked(directories: Sequence[Path]) -> Iterator[None]:
    """Holds every directory, so that no key is used by two processes; StartError if another holds one."""
    held: list[IO[bytes]] = []
    try:
        for directory in dict.fromkeys(one.resolve() for one in directories):
            file = _open_lock(directory)
            held.append(file)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise StartError(f"A hotspot already runs in {directory}. Stop it first.") from error
        yield
    finally:
        for file in held:
            file.close()


def _open_lock(directory: Path) -> IO[bytes]:
    try:
        return (directory / LOCK_FILE).open("wb")
    except OSError as error:
        raise StartError(f"Cannot write in {directory}: {error.strerror}. Check its owner and permissions.") from error


# --- what the network says ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Played:
    """The network as this process plays it."""

    file: NetworkFile
    genesis_ms: int
    rules: Rules
    warnings: tuple[str, ...]


async def join(reader: ChainReader, clients: Sequence[ValidatorClient], home: Path) -> Played:
    """Checks the chain against the network file and fetches the rules; StartError with a sentence if they differ."""
    file = reader.network
    try:
        findings = await asyncio.to_thread(reader.check)
        wrong = [finding for finding in findings if finding.endswith(WRONG_CHAIN)]
        if wrong:
            raise StartError(" ".join(wrong))
        config = await asyncio.to_thread(reader.config)
    except ChainError as error:
        raise StartError(str(error), UNREACHABLE) from error
    if config.params_hash != file.params_hash or config.hotspots != file.contracts.hotspots:
        raise StartError(" ".join(findings))
    try:
        rules = await RulesLoader(file.params_hash, TEXT, home, clients).load()
    except OtherVersionError as error:
        raise StartError(str(error), OTHER_VERSION) from error
    except UnfitError as error:
        raise StartError(str(error)) from error
    except RulesError as error:
        raise StartError(str(error), UNREACHABLE) from error
    if rules.params.epoch.length_ms != config.length_ms:
        raise StartError("The chain's epochs are not as long as the network's params say. Ask its operators.")
    return Played(file, config.genesis_ms, rules, tuple(findings))


def window_lines(windows: Windows) -> list[str]:
    """The epoch's clock in words."""
    return [
        f"Epochs last {_span(windows.length_ms)}; their seed is known {_span(windows.seed_lead_ms)} before they start.",
        f"Frames start within {_span(windows.slot_tolerance_ms)} of their slot, commits are sent at once and count for "
        f"{_span(windows.commit_window_ms)}, reports are revealed after {_span(windows.reveal_after_ms)}.",
        f"No slot lies in an epoch's last {_span(windows.guard_ms)}; reports are taken until "
        f"{_span(windows.seal_after_ms)} after its end; a root can be challenged for "
        f"{_span(windows.challenge_window_ms)}.",
    ]


def _span(duration_ms: int) -> str:
    for unit_ms, name in ((3_600_000, "h"), (60_000, "min"), (1_000, "s")):
        if duration_ms % unit_ms == 0 and duration_ms >= unit_ms:
            return f"{duration_ms // unit_ms} {name}"
    return f"{duration_ms} ms"
