"""How many registrations this validator still pays for today: by owner, by address, and for everybody together."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path

from protocol.encoding import sha256
from protocol.parameters import Relay as Limits
from validator.clock import Clock
from validator.disk import Disk
from validator.epoch_files import DamagedRecordError

DAY_MS = 86_400_000

Spent = tuple[str, str]
"""Owner and the hash of the address that asked, as hexadecimal text."""


class DailyLimits:
    """What was spent in the current UTC day. It is on the device before anything is paid for: no restart forgets it.

    The file is written whole, so it holds no more than a day's registrations. DamagedRecordError if it cannot be read.
    """

    def __init__(self, limits: Limits, clock: Clock, path: Path, disk: Disk) -> None:
        self._limits, self._clock, self._path, self._disk = limits, clock, path, disk
        self._lock = threading.Lock()
        self._day, self._spent = _read(path) if path.exists() else (-1, [])

    def spend(self, owner: bytes, host: str) -> bool:
        """Takes one of today's registrations; False if a limit is reached. After OSError nothing was taken."""
        with self._lock:
            spent, one = self._today(), _one(owner, host)
            if self._is_over_limit(spent, one):
                return False
            self._write([*spent, one])
            return True

    def give_back(self, owner: bytes, host: str) -> None:
        """What was spent came to nothing. After OSError it stays spent."""
        with self._lock:
            spent, one = self._today(), _one(owner, host)
            if one in spent:
                spent.remove(one)
                self._write(spent)

    def _is_over_limit(self, spent: list[Spent], one: Spent) -> bool:
        owners, hosts = (Counter(side) for side in (zip(*spent, strict=True) if spent else ((), ())))
        return (
            owners[one[0]] >= self._limits.per_owner
            or hosts[one[1]] >= self._limits.per_address
            or len(spent) >= self._limits.per_day
        )

    def _today(self) -> list[Spent]:
        return list(self._spent) if self._clock.now_ms() // DAY_MS == self._day else []

    def _write(self, spent: list[Spent]) -> None:
        day = self._clock.now_ms() // DAY_MS
        text = json.dumps({"day": day, "spent": spent}) + "\n"
        self._disk.write_whole(self._path, text.encode())
        self._day, self._spent = day, spent


def _one(owner: bytes, host: str) -> Spent:
    return owner.hex(), sha256(host.encode()).hex()


def _read(path: Path) -> tuple[int, list[Spent]]:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        return int(tree["day"]), [(str(owner), str(host)) for owner, host in tree["spent"]]
    except (ValueError, TypeError, KeyError) as error:
        raise DamagedRecordError(
            f"{path} is damaged: {error}. Move it away; today's registrations are counted from none again."
        ) from error
