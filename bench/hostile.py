"""A million hostile datagrams through the packet-forwarder port: `python -m bench.hostile [HOW_MANY [SEED]]`.

Fails on an exception, on a datagram that took a tenth of a second of processor time, and on memory that grew.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from pathlib import Path

from hotspot.clock import SystemClock
from hotspot.config import Endpoint
from hotspot.counters import Counters
from hotspot.forwarding.forwarding import Forwarding
from hotspot.playing.duty_cycle import Ledger
from hotspot.radio.frames import RxFrame
from hotspot.radio.gwmp.server import GwmpServer
from tests.hotspot.radio import hostile

HOW_MANY, SEED = 1_000_000, 1_680
BATCH = 1_000
LONGEST_S = 0.1
MAX_GROWTH_BYTES = 8 * 2**20
FROM = ("127.0.0.1", 9)


def resident_bytes() -> int:
    """Memory this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def feed(how_many: int, seed: int) -> list[str]:
    """What went wrong, as sentences; prints what was measured."""
    counters, frames, longest_s, used_s = Counters(), [0], 0.0, 0.0

    def on_frame(_: RxFrame) -> None:
        frames[0] += 1

    server = GwmpServer(SystemClock(), counters, on_frame)
    server.passage = Forwarding([Endpoint("127.0.0.1", 9)], server, Ledger("EU868"), SystemClock(), counters)
    source, fed, warm_bytes = random.Random(seed), 0, 0
    while fed < how_many:
        for datagram in hostile.datagrams(source, BATCH):
            before_s = time.process_time()
            server.datagram_received(datagram, FROM)
            took_s = time.process_time() - before_s
            longest_s, used_s = max(longest_s, took_s), used_s + took_s
        fed += BATCH
        if fed == max(how_many // 5 // BATCH, 1) * BATCH:
            warm_bytes = resident_bytes()
        await asyncio.sleep(0)
    grown_bytes = resident_bytes() - warm_bytes
    counted = sum(counters.snapshot()["datagrams"].values())
    print(
        f"{fed:,} hostile datagrams, seed {seed}: {fed / used_s:,.0f}/s, longest {longest_s * 1_000:.1f} ms, "
        f"{frames[0]:,} frames, memory {grown_bytes / 2**20:+.1f} MiB after the first fifth"
    )
    problems = {
        f"one datagram took {longest_s * 1_000:.0f} ms": longest_s >= LONGEST_S,
        f"memory grew by {grown_bytes:,} bytes": grown_bytes > MAX_GROWTH_BYTES,
        f"{fed - counted} datagrams were not counted": counted != fed,
    }
    return [sentence for sentence, wrong in problems.items() if wrong]


def main() -> None:
    """Feeds as many as asked for; exit code 1 if something went wrong."""
    how_many, seed = (int(text) for text in (sys.argv[1:] + [str(HOW_MANY), str(SEED)][len(sys.argv) - 1 :])[:2])
    problems = asyncio.run(feed(how_many, seed))
    print("\n".join(problems))
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
