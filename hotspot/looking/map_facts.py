"""What the network's map service says of a hotspot: earnings, and who heard it. Asked only when somebody looks.

The map checks every epoch against the root on chain; the amounts are those a claim pays. It is a service like any
other: what it says is shown as its word, and nothing is decided by it.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

MAX_ANSWER_BYTES = 4 * 1024 * 1024
TIMEOUT_S = 5
TOKEN_UNIT = 10**18


@dataclass(frozen=True, slots=True)
class MapSilent:
    """Why there is no answer."""

    sentence: str


def hotspot(map_url: str, hotspot_id: str) -> dict[str, Any] | MapSilent:
    """Everything the map knows of a hotspot, its shape as in docs/map.md."""
    if not map_url.startswith(("http://", "https://")):
        return MapSilent("This network names no map.")
    address = f"{map_url.rstrip('/')}/v1/hotspots/0x{hotspot_id}"
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_S) as response:  # noqa: S310 - the scheme was checked
            shape = json.loads(response.read(MAX_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        error.close()
        return MapSilent(f"The map {map_url} does not know this hotspot ({error.code}).")
    except (OSError, ValueError) as error:
        return MapSilent(f"The map {map_url} does not answer ({getattr(error, 'reason', None) or error}).")
    return shape if isinstance(shape, dict) else MapSilent(f"The map {map_url} gives no object.")


def tokens(amount: str | int) -> str:
    """Base units as tokens, rounded down as the map writes them: whole ones from ten on, else two decimals."""
    hundredths = int(amount) * 100 // TOKEN_UNIT
    if hundredths == 0 or hundredths >= 1_000:
        return f"{hundredths // 100:,}"
    return f"{hundredths // 100}.{hundredths % 100:02d}"
