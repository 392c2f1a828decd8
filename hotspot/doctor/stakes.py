"""Whether the validators that hotspot.toml lists are enough for a report to count."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from chain.errors import ChainError
from chain.history import History
from chain.network import NetworkFile
from chain.reader import ChainReader
from hotspot.doctor.findings import Finding, finding
from protocol.closing import Member
from protocol.ids import Address
from protocol.quorum import is_blocking, stake_of
from protocol.schedule import epoch_at


def find(file: NetworkFile, listed: Collection[bytes]) -> list[Finding]:
    """Asks the chain only where there is a list; that it does not answer is found elsewhere."""
    if not listed:
        return []
    reader = ChainReader(file)
    try:
        history = History(reader)
        block, config = history.refresh(), reader.config()
        epoch = max(epoch_at(config.genesis_ms, config, block.timestamp_ms), 0)
        return list(of_members(listed, history.validators_at(block.number, epoch).members))
    except ChainError:
        return []
    finally:
        reader.close()


def of_members(listed: Iterable[bytes], members: Iterable[Member]) -> Iterator[Finding]:
    """By the stakes of one moment."""
    stakes = {member.owner: member.stake for member in members}
    if stakes and not is_blocking(stake_of(map(Address, listed), stakes), sum(stakes.values())):
        yield finding("too_little_stake")
