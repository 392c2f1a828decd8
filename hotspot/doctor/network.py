"""Findings of the network: does its file fit, does its chain answer, do its validators, is the hotspot registered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from chain.errors import ChainError
from chain.history import History
from chain.network import NetworkFile
from chain.reader import WRONG_CHAIN, ChainReader
from hotspot.config import Config
from hotspot.doctor.findings import Finding, finding
from hotspot.wire import CallFailed, ValidatorClient
from protocol.closing import Member
from protocol.ids import Address
from protocol.schedule import epoch_at
from protocol.version import PROTOCOL_VERSION


def find(file: NetworkFile, config: Config, hotspot_id: bytes | None) -> list[Finding]:
    """Every finding of a network, as seen from here."""
    unknown = set(config.validators) - {one.owner for one in file.validators}
    found = [
        finding("unknown_validator_key", owner=f"0x{owner.hex()}", problem="the network's file does not name it")
        for owner in sorted(unknown)
    ]
    return [*found, *_chain(file, hotspot_id), *asyncio.run(_validators(file))]


def _chain(file: NetworkFile, hotspot_id: bytes | None) -> Iterator[Finding]:
    reader = ChainReader(file)
    try:
        for problem in reader.check():
            code = "wrong_network" if problem.endswith(WRONG_CHAIN) else "network_invalid"
            yield finding(code, problem=problem)
        history = History(reader)
        block, config = history.refresh(), reader.config()
        epoch = max(epoch_at(config.genesis_ms, config, block.timestamp_ms), 0)
        members = {one.owner: one for one in history.validators_at(block.number, epoch).members}
        yield from _keys(file, members)
        if hotspot_id is not None:
            rows = {bytes(one.hotspot_id): one.row for one in history.registry_at(block.number)}
            if hotspot_id not in rows:
                yield finding("not_registered")
            elif rows[hotspot_id].frozen:
                yield finding("frozen")
    except ChainError as error:
        yield finding("chain_unreachable", problem=str(error))
    finally:
        reader.close()


def _keys(file: NetworkFile, members: Mapping[Address, Member]) -> Iterator[Finding]:
    """Validators of the file that the chain does not know, or knows with another signing key."""
    for one in file.validators:
        member = members.get(one.owner)
        if member is None:
            yield finding("unknown_validator_key", owner=f"0x{one.owner.hex()}", problem="it has no stake there")
        elif member.key != one.key:
            problem = f"it signs with 0x{member.key.hex()}, the file says 0x{one.key.hex()}"
            yield finding("unknown_validator_key", owner=f"0x{one.owner.hex()}", problem=problem)


async def _validators(file: NetworkFile) -> list[Finding]:
    clients = [ValidatorClient(one.endpoint) for one in file.validators]
    try:
        answers = await asyncio.gather(*(client.status() for client in clients))
    finally:
        for client in clients:
            await client.close()
    failed = [one for one in answers if isinstance(one, CallFailed)]
    spoken = {one.protocol_version for one in answers if not isinstance(one, CallFailed)}
    if spoken and PROTOCOL_VERSION not in spoken:
        versions = ", ".join(map(str, sorted(spoken)))
        problem = f"This release speaks protocol version {PROTOCOL_VERSION}, the network {versions}."
        return [finding("other_version", problem=problem)]
    if answers and len(failed) == len(answers):
        return [finding("validators_unreachable", count=len(answers), problem=failed[0].sentence)]
    if 3 * (len(answers) - len(failed)) <= len(answers) and answers:
        return [finding("few_validators", reachable=len(answers) - len(failed), count=len(answers))]
    return []
