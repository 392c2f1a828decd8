"""What a devnet's directory already holds: nothing, half a founding, a devnet, or somebody's things.

While a devnet is being founded its directory carries a marker. A marker without `devnet.json` therefore means that a
founding was interrupted: what it made is of no use, and the next start clears it. Without it nothing is cleared.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from devnet.layout import Facts, Layout


class DirectoryError(Exception):
    """The directory does not fit what was asked for; the message is a sentence with the next step."""


@contextlib.contextmanager
def founding_in(layout: Layout) -> Iterator[None]:
    """Found inside this block: what an interrupted founding left is cleared first, and the marker goes at the end."""
    marker = layout.founding_marker
    if not marker.exists():
        _refuse_foreign(layout)
    with marker.open("ab") as held:
        _lock(held, layout)
        for path in layout.founded:
            _remove(path)
        layout.make()
        yield
        marker.unlink()


def _refuse_foreign(layout: Layout) -> None:
    for path in layout.founded:
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            raise DirectoryError(
                f"{path} is there already, but {layout.facts_file.name} of a devnet is not. "
                f"Remove {layout.root} if it is left over from an interrupted start, or give another --directory."
            )


def _lock(held: BinaryIO, layout: Layout) -> None:
    """Two starts at once must not clear each other's work; the second may also have come just too late."""
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        late = layout.facts_file.exists()
    except BlockingIOError:
        late = True
    if late:
        raise DirectoryError(f"Another start founds a devnet in {layout.root} just now. Wait for it, and start again.")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def contradiction(
    facts: Facts,
    layout: Layout,
    *,
    scenario: str | None,
    seed: int | None,
    receptions: Path | None,
    baseline: Path | None,
) -> str:
    """Why what was asked for is not the devnet that lives here, as a sentence; empty if it is. None: not asked for."""
    stated = {
        "--scenario": (scenario, facts.scenario),
        "--seed": (seed, facts.seed),
        "--receptions": (_resolved(receptions), facts.receptions),
        "--baseline": (_resolved(baseline), facts.baseline),
    }
    for option, (wanted, had) in stated.items():
        if wanted is not None and had is not None and wanted != had:
            founded = f"without {option}" if had == "" else f"with {option} {had}, not {wanted}"
            return (
                f"The devnet in {layout.root} was founded {founded}. "
                f"Leave {option} out to resume it, or give another --directory for a new one."
            )
    return ""


def _resolved(path: Path | None) -> str | None:
    return str(path.resolve()) if path else None
