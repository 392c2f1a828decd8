"""The validators a network file names: asked together where they stand, one after the other for blobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from chain.network import NetworkFile
from coverage_maps.follower import Asked
from coverage_maps.record import Problem
from coverage_maps.wire import Peer

ASK_EVERY_S = 3.0
MAX_ASKED_AT_ONCE = 8


class Peers:
    """Connections to all validators; close them when done."""

    def __init__(self, network: NetworkFile, now_s: Callable[[], float] = time.monotonic) -> None:
        self.all: Sequence[Peer] = [Peer(one.endpoint) for one in network.validators]
        self._now_s = now_s
        self._pool = ThreadPoolExecutor(max_workers=MAX_ASKED_AT_ONCE, thread_name_prefix="ask")
        self._asked, self._next_s = Asked(), float("-inf")

    def close(self) -> None:
        """Ends every connection, and with it every call under way."""
        for peer in self.all:
            peer.close()
        self._pool.shutdown(cancel_futures=True)

    def ask(self) -> Asked:
        """Where the validators stand; asked again only every few seconds."""
        if self._now_s() >= self._next_s:
            self._asked = self._ask_all()
            self._next_s = self._now_s() + ASK_EVERY_S
        return self._asked

    def _ask_all(self) -> Asked:
        answers = list(self._pool.map(Peer.status, self.all))
        good = [one for one in answers if not isinstance(one, Problem)]
        return Asked(
            params_files=tuple(dict.fromkeys(one.params_file for one in good)),
            waiting=tuple(dict.fromkeys(one.waiting for one in good if one.waiting)),
            silent=tuple(one.sentence for one in answers if isinstance(one, Problem)),
        )
