"""What the network's map service says of a hotspot: earnings, and who heard it. Asked only when somebody looks.

The map checks every epoch against the root on chain; the amounts are those a claim pays. It is a service like any
other: what it says is shown as its word, and nothing is decided by it.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_ANSWER_BYTES = 4 * 1024 * 1024
TIMEOUT_S = 5
TOKEN_UNIT = 10**18
MAX_AMOUNT_DIGITS = 78
"""Of an amount on chain, 256 bits."""


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
    except (http.client.HTTPException, RecursionError):
        return MapSilent(f"What answers at {map_url} is no map.")
    return shape if _is_hotspot(shape) else MapSilent(f"What answers at {map_url} tells nothing of a hotspot.")


def _is_hotspot(shape: Any) -> bool:
    """Whether everything that is shown of an answer is there, as docs/map.md has it."""
    return (
        isinstance(shape, dict)
        and _has(shape, {"earned_total": _is_amount, "claimed": _is_amount})
        and isinstance(shape.get("sentence", ""), str)
        and (shape.get("epoch") is None or _is_whole(shape["epoch"]))
        and _are(shape.get("earnings", []), {"epoch": _is_whole, "earned": _is_amount})
        and _are(shape.get("connections", []), CONNECTION)
    )


def _are(rows: Any, form: Form) -> bool:
    return isinstance(rows, list) and all(isinstance(row, dict) and _has(row, form) for row in rows)


def _has(row: dict[str, Any], form: Form) -> bool:
    return all(fits(row.get(name)) for name, fits in form.items())


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_amount(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= MAX_AMOUNT_DIGITS


Form = Mapping[str, Callable[[Any], bool]]
CONNECTION: Form = {
    "hotspot": _is_text, "name": _is_text, "heard_by_it": _is_whole, "heard_by_us": _is_whole, "rssi_cdb": _is_whole,
    "snr_cdb": _is_whole,
}  # fmt: skip


def tokens(amount: str | int) -> str:
    """Base units as tokens, rounded down as the map writes them: whole ones from ten on, else two decimals."""
    hundredths = int(amount) * 100 // TOKEN_UNIT
    if hundredths == 0 or hundredths >= 1_000:
        return f"{hundredths // 100:,}"
    return f"{hundredths // 100}.{hundredths % 100:02d}"
