"""A network's windows in plain words, printed when it starts."""

from __future__ import annotations

from protocol.parameters import Parameters

MS = 1_000


def windows(params: Parameters) -> list[str]:
    """Lines on the epoch's clock."""
    e = params.epoch
    slots = params.slots
    return [
        f"Epochs of {e.length_ms // MS} s; slots in the first {(e.length_ms - e.guard_ms) // MS} s: "
        f"{slots.fixed} for a fixed hotspot, {slots.mapper} for a mapper.",
        f"Commits within {e.commit_window_ms // MS} s of a slot, reveals after {e.reveal_after_ms // MS} s, "
        f"sealed {e.seal_after_ms / MS:g} s after the epoch's end,",
        f"closed by the chain {e.close_after_ms // MS} s after it; a root is live "
        f"{e.challenge_window_ms // MS} s after it is on chain.",
    ]
