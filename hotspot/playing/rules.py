"""The network's rules, fetched from any validator and believed only for their hash.

The chain names one params hash; it covers the params file, this release's rulebook and, through the file, the region
set. Checked files are kept by hash in the hotspot's directory, so that a start needs no validator.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hotspot.files import write_whole
from hotspot.wire import CallFailed, ValidatorStatus
from protocol.encoding import sha256
from protocol.parameters import ParameterError, Parameters, params_hash, parse
from protocol.regions import RegionMap, region_map
from protocol.version import PROTOCOL_VERSION

CACHE_DIRECTORY = "rules"


class RulesError(Exception):
    """The rules cannot be had or do not fit; the message is a sentence with the next step."""


class OtherVersionError(RulesError):
    """The network plays by another protocol version than this release."""


class UnfitError(RulesError):
    """The rules are the network's, but contradict each other."""


class Source(Protocol):
    """A validator, as far as the rules need one."""

    @property
    def endpoint(self) -> str: ...

    async def status(self) -> ValidatorStatus | CallFailed: ...

    async def blob(self, digest: bytes) -> bytes | CallFailed: ...


@dataclass(frozen=True, slots=True)
class Rules:
    """Parameters and where the radio regions lie."""

    params: Parameters
    regions: RegionMap


class RulesLoader:
    """Loads the rules with one params hash."""

    def __init__(self, wanted: bytes, rulebook_text: str, home: Path, sources: Sequence[Source]) -> None:
        self._wanted = wanted
        self._rulebook_text = rulebook_text
        self._cache = home / CACHE_DIRECTORY
        self._sources = sources
        self._problems: list[str] = []

    async def load(self) -> Rules:
        """The rules; RulesError names what every validator answered."""
        params = self._parse(await self._params_file())
        rows = await self._blob(bytes.fromhex(params.radio.cells.sha256))
        regions = None if rows is None else region_map(params.radio, rows)
        if regions is None:
            raise RulesError(f"No validator gave the network's region file. {self._told()}")
        return Rules(params, regions)

    def _parse(self, params_file: bytes) -> Parameters:
        try:
            params = parse(params_file)
        except ParameterError as error:
            raise OtherVersionError(
                f"This release cannot read the network's params ({error}). Update Farfield."
            ) from error
        problems = params.problems()
        if problems:
            raise UnfitError(f"The network's params do not fit together: {'; '.join(problems)}. Ask its operators.")
        return params

    async def _params_file(self) -> bytes:
        kept = self._kept(self._wanted)
        if kept is not None and params_hash(kept, self._rulebook_text) == self._wanted:
            return kept
        versions = set()
        for source in self._sources:
            status = await source.status()
            if isinstance(status, CallFailed):
                self._problems.append(f"{source.endpoint}: {status.sentence}.")
                continue
            versions.add(status.protocol_version)
            data = await source.blob(status.params_file)
            if isinstance(data, CallFailed):
                self._problems.append(f"{source.endpoint}: {data.sentence}.")
            elif params_hash(data, self._rulebook_text) == self._wanted:
                self._keep(self._wanted, data)
                return data
            else:
                self._problems.append(f"{source.endpoint}: its params are not those on chain.")
        if versions and PROTOCOL_VERSION not in versions:
            spoken = ", ".join(str(version) for version in sorted(versions))
            raise OtherVersionError(
                f"This release speaks protocol version {PROTOCOL_VERSION}, the network {spoken}. Update Farfield."
            )
        raise RulesError(f"No validator gave the params that the chain names. {self._told()}")

    async def _blob(self, digest: bytes) -> bytes | None:
        kept = self._kept(digest)
        if kept is not None and sha256(kept) == digest:
            return kept
        for source in self._sources:
            data = await source.blob(digest)
            if isinstance(data, CallFailed):
                self._problems.append(f"{source.endpoint}: {data.sentence}.")
            else:
                self._keep(digest, data)
                return data
        return None

    def _kept(self, name: bytes) -> bytes | None:
        try:
            return (self._cache / name.hex()).read_bytes()
        except OSError:
            return None

    def _keep(self, name: bytes, data: bytes) -> None:
        """Keeps a file for the next start; where that fails, it is fetched again then."""
        with contextlib.suppress(OSError):
            self._cache.mkdir(exist_ok=True)
            write_whole(self._cache / name.hex(), data)

    def _told(self) -> str:
        return " ".join(self._problems) or "The network file names no validator; ask its operators for a newer one."
