"""Puts page, log and metrics on the process's own server. The map is asked only while somebody looks."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from typing import Any, Protocol

from hotspot import logs
from hotspot.clock import Clock
from hotspot.looking import map_facts
from hotspot.looking.map_facts import MapSilent
from hotspot.looking.status import Answer, StatusServer, as_json
from hotspot.page import render
from hotspot.running.ears import Ears

MAP_KEPT_MS = 60_000
MAP_RETRY_MS = 15_000
HTML, CSS, SCRIPT = "text/html; charset=utf-8", "text/css; charset=utf-8", "text/javascript; charset=utf-8"
METRICS = "text/plain; version=0.0.4; charset=utf-8"


class Shown(Protocol):
    """The process, as far as the page shows it."""

    clock: Clock
    status: StatusServer
    ears: list[Ears]

    def name(self, index: int) -> str: ...

    def hotspot_snapshot(self, index: int) -> dict[str, Any]: ...

    def snapshot(self) -> dict[str, Any]: ...


class MapFacts:
    """What the map said of one hotspot last; asked again when somebody looks and a minute has passed."""

    def __init__(self, clock: Clock) -> None:
        self.told: dict[str, Any] | None = None
        self.problem = ""
        self._clock = clock
        self._again_at_ms = 0
        self._asking: asyncio.Task[None] | None = None

    def look(self, map_url: str, hotspot_id: str) -> None:
        """Asks, in the background, if it is time."""
        if self._asking is not None or self._clock.monotonic_ms() < self._again_at_ms:
            return
        self._asking = asyncio.ensure_future(self._ask(map_url, hotspot_id))

    async def _ask(self, map_url: str, hotspot_id: str) -> None:
        pause_ms = MAP_RETRY_MS
        try:
            told = await asyncio.to_thread(map_facts.hotspot, map_url, hotspot_id)
            if isinstance(told, MapSilent):
                self.problem = told.sentence
            else:
                self.told, self.problem, pause_ms = told, "", MAP_KEPT_MS
        finally:  # whatever happens, it is asked again
            self._again_at_ms, self._asking = self._clock.monotonic_ms() + pause_ms, None


class Page:
    """The page of a process."""

    def __init__(self, process: Shown) -> None:
        self._process = process
        self._map = [MapFacts(process.clock) for _ in process.ears]

    def start(self) -> None:
        """Answers what does not depend on a hotspot's name."""
        server = self._process.status
        server.answer("/", self._first)
        server.answer("/page.css", lambda: _file("page.css", CSS))
        server.answer("/page.js", lambda: _file("page.js", SCRIPT))
        server.answer("/log.json", lambda: as_json(list(logs.recent)))
        server.answer("/healthz", lambda: as_json({"ok": True, "state": self._process.snapshot()["state"]}))
        server.answer("/metrics", self._metrics)

    def add(self, index: int) -> None:
        """Answers for one hotspot under the name it has now."""
        name, server = self._process.name(index), self._process.status
        server.answer(f"/{name}", lambda: _html(render.page(self._seen(index), name)))
        server.answer(f"/{name}/parts", lambda: _html(render.parts(self._seen(index))))

    def _first(self) -> Answer:
        names = [self._process.name(index) for index in range(len(self._process.ears))]
        if len(names) > 1:
            return _html(render.index(names))
        return _html(render.page(self._seen(0), names[0]))

    def _seen(self, index: int) -> render.Seen:
        answer, facts = self._process.hotspot_snapshot(index), self._map[index]
        network, hotspot_id = answer["network"], answer["hotspot_id"]
        if network is not None and hotspot_id is not None and answer["state"] == "playing":
            facts.look(network["map_url"], hotspot_id)
        return render.Seen(answer, facts.told, facts.problem, list(logs.recent))

    def _metrics(self) -> Answer:
        from hotspot.looking import metrics

        shapes = [self._process.hotspot_snapshot(index) for index in range(len(self._process.ears))]
        return Answer(metrics.text(shapes, self._process.snapshot()), METRICS)


def _html(text: str) -> Answer:
    return Answer(text.encode(), HTML)


def _file(name: str, content_type: str) -> Answer:
    return Answer(files("hotspot.page").joinpath(name).read_bytes(), content_type)
