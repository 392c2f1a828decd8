"""The network's rules as files: params, region set, baselines; each found by its hash or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from protocol.encoding import sha256
from protocol.limits import MAX_SEGMENT_BYTES
from protocol.need import NeedSource, decode_baseline
from protocol.parameters import ParameterError, Parameters, params_hash, parse
from protocol.regions import RegionMap, region_map
from protocol.rulebook import TEXT


class RulesError(Exception):
    """The rules cannot be had, or are not what the chain says; the message is a sentence with the next step."""


class Blobs(Protocol):
    """Gives the bytes with a sha256, from wherever they are; None if nobody has them within `most_bytes`."""

    async def get(self, digest: bytes, *, most_bytes: int = MAX_SEGMENT_BYTES) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class NetworkRules:
    """Everything the params hash covers, parsed."""

    params_file: bytes
    params_hash: bytes
    params: Parameters
    regions: RegionMap
    need: NeedSource


def find_params_file(candidates: Iterable[bytes], wanted: bytes) -> bytes | None:
    """The candidate that, with this release's rulebook, has the params hash on chain."""
    return next((data for data in candidates if params_hash(data, TEXT) == wanted), None)


def toml_files(directory: Path | None) -> list[bytes]:
    """Contents of the params files in a directory."""
    return [path.read_bytes() for path in sorted(directory.glob("*.toml"))] if directory else []


async def load_rules(params_file: bytes, blobs: Blobs) -> NetworkRules:
    """The rules a params file names; RulesError if a listed file is missing or is not what it should be."""
    try:
        params = parse(params_file)
    except ParameterError as error:
        raise RulesError(f"The params file cannot be read by this release: {error}. Update Farfield.") from error
    problems = params.problems()
    if problems:
        raise RulesError("The params do not fit together: " + "; ".join(problems) + ".")
    cells = await _listed(blobs, params.radio.cells.sha256, "region file")
    regions = region_map(params.radio, cells)
    if regions is None:
        raise RulesError("The region file is not a sorted list of cells of the listed regions.")
    files = []
    for listed in params.baselines:
        rows = decode_baseline(listed, await _listed(blobs, listed.sha256, f"baseline {listed.name}"))
        if rows is None:
            raise RulesError(f"The baseline file {listed.name} does not hold canonical rows of source {listed.source}.")
        files.append((listed, rows))
    need = NeedSource(params.need, tuple(files))
    return NetworkRules(params_file, params_hash(params_file, TEXT), params, regions, need)


async def _listed(blobs: Blobs, digest: str, what: str) -> bytes:
    data = await blobs.get(bytes.fromhex(digest))
    if data is None:
        raise RulesError(f"The {what} {digest[:16]}... is not to be had. Put it into the directory given by --files.")
    assert sha256(data).hex() == digest, "blobs are checked where they come in"
    return data
