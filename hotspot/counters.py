"""What happened, by group and name: every datagram, packet, beacon and report is counted under exactly one name."""

from __future__ import annotations

MAX_NAMES = 128
"""Names in one group; a peer that invents names is counted under OTHER from there on."""
OTHER = "other"


class Counters:
    """Counts since the process started."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, int]] = {}

    def count(self, group: str, name: str, by: int = 1) -> None:
        names = self._groups.setdefault(group, {})
        known = name if name in names or len(names) < MAX_NAMES else OTHER
        names[known] = names.get(known, 0) + by

    def of(self, group: str, name: str) -> int:
        """How often; 0 if never."""
        return self._groups.get(group, {}).get(name, 0)

    def snapshot(self) -> dict[str, dict[str, int]]:
        """All counts, sorted by name."""
        return {group: dict(sorted(names.items())) for group, names in sorted(self._groups.items())}
