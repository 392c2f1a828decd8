"""What a validator remembers of each epoch across restarts: its own manifest, and what the epoch came to, by hash."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from validator.disk import Disk


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch's hashes as hexadecimal text; "" for what is not known yet. `cumulative` is a decimal text."""

    epoch: int
    manifest: str = ""
    summary: str = ""
    state: str = ""
    outcomes: str = ""
    need_map: str = ""
    root: str = ""
    cumulative: str = ""
    empty: bool = False
    decided_by: str = ""
    """Hash of what the chain said of the epoch when it was settled."""

    @property
    def settled(self) -> bool:
        return bool(self.state)


class DamagedRecordError(ValueError):
    """A record cannot be read; the message is a sentence with the next step."""


class EpochFiles:
    """One small file per epoch; each is whole or absent."""

    def __init__(self, directory: Path, disk: Disk) -> None:
        self._directory, self._disk = directory, disk
        disk.make_directory(directory)
        records = (_read(path) for path in sorted(directory.glob("epoch-*.json")))
        self._records = {record.epoch: record for record in records}

    def get(self, epoch: int) -> EpochRecord:
        return self._records.get(epoch, EpochRecord(epoch))

    def update(self, epoch: int, **fields: str | bool) -> EpochRecord:
        """Changes fields of an epoch's record; it is on the device when this returns."""
        record = replace(self.get(epoch), **fields)
        text = json.dumps(asdict(record), sort_keys=True) + "\n"
        self._disk.write_whole(self._directory / f"epoch-{epoch:010d}.json", text.encode("utf-8"))
        self._records[epoch] = record
        return record

    def unsettle(self, epoch: int) -> None:
        """Forgets what an epoch came to; the own manifest stays. On the device when this returns."""
        kept = EpochRecord(epoch, manifest=self.get(epoch).manifest)
        self.update(**asdict(kept))

    def last_settled(self) -> EpochRecord | None:
        """The newest epoch whose state is known here."""
        return self._newest(lambda record: record.settled)

    def last_earning(self) -> EpochRecord | None:
        """The newest settled epoch that was not empty: its root is the one worth having on chain."""
        return self._newest(lambda record: record.settled and not record.empty)

    def _newest(self, wanted: Callable[[EpochRecord], bool]) -> EpochRecord | None:
        epochs = [epoch for epoch, record in self._records.items() if wanted(record)]
        return self._records[max(epochs)] if epochs else None


def _read(path: Path) -> EpochRecord:
    try:
        return EpochRecord(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise DamagedRecordError(
            f"{path} is damaged: {error}. Move it away; the epoch is settled again from public evidence."
        ) from error
