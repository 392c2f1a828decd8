"""The HTTP face of the map: JSON under /v1, the page beside it. It reads snapshots and changes nothing."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import h3.api.basic_int as h3
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from chain.network import dump
from coverage_maps import geojson, shapes
from coverage_maps.events import Hub
from coverage_maps.follower import Snapshot
from coverage_maps.geometry import AreaTooLargeError, area_coverage
from coverage_maps.record import Root
from coverage_maps.static import Asset, respond
from coverage_maps.view import CellView, EpochView, pay_cell_of
from protocol import geo
from protocol.encoding import sha256
from protocol.ids import HotspotId

CELL_TEXT = re.compile(r"(0x)?[0-9a-f]{15,16}")
ID_TEXT = re.compile(r"(0x)?[0-9a-f]{64}")
EPOCH_TEXT = re.compile(r"[0-9]{1,12}")
MAX_ROWS = 10_000
AREAS_AT_ONCE = 2
KEPT_BODIES = 64
WRONG_METHOD = 405
JSON, CSV, GEOJSON = "application/json", "text/csv; charset=utf-8", "application/geo+json"


@dataclass
class Service:
    """What requests are answered from: the newest snapshot, the page's files, who listens."""

    snapshot: Callable[[], Snapshot]
    hub: Hub
    assets: Mapping[str, Asset] = field(default_factory=dict)
    given_area: bytes | None = None
    """An area the server was started with, for the page to draw."""
    _areas: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AREAS_AT_ONCE))
    _bodies: dict[tuple[int, str], tuple[EpochView, bytes]] = field(default_factory=dict)

    # --- what a request names -----------------------------------------------------------------------------------

    def _view(self, epoch_text: str) -> EpochView:
        """The view of an epoch given as a number or `latest`; 404 says why there is none."""
        snapshot = self.snapshot()
        if epoch_text == "latest":
            if snapshot.newest is None:
                raise HTTPException(404, snapshot.trouble or "No epoch has settled yet; the first one takes a moment.")
            return snapshot.newest
        epoch = _epoch(epoch_text)
        view = snapshot.views.get(epoch)
        if view is not None:
            return view
        problem = snapshot.problems.get(epoch)
        if problem is not None:
            raise HTTPException(404, f"Epoch {epoch} cannot be shown: {problem.sentence}")
        raise HTTPException(404, f"Epoch {epoch} has no root on chain, or is older than the epochs kept here.")

    def _view_or_none(self, request: Request) -> EpochView | None:
        text = request.query_params.get("epoch", "latest")
        return self.snapshot().newest if text == "latest" else self._view(text)

    def _root(self, request: Request) -> Root:
        text, snapshot = request.path_params["epoch"], self.snapshot()
        epoch = self._view("latest").epoch if text == "latest" else _epoch(text)
        root = snapshot.roots.get(epoch)
        if root is None:
            raise HTTPException(404, f"Epoch {epoch} has no root on chain yet.")
        return root

    # --- the network and its epochs -----------------------------------------------------------------------------

    async def network(self, request: Request) -> Response:
        shape = shapes.network_shape(self.snapshot()) | {"given_area": self.given_area is not None}
        return _json(request, shape)

    async def network_file(self, request: Request) -> Response:
        return _body(request, dump(self.snapshot().network).encode(), JSON)

    async def epochs(self, request: Request) -> Response:
        snapshot = self.snapshot()
        newest_first = sorted(snapshot.roots.values(), key=lambda root: -root.epoch)
        start, end = _page(request)
        rows = [shapes.epoch_row(snapshot, root) for root in newest_first[start:end]]
        return _json(request, {"total": len(newest_first), "epochs": rows})

    async def epoch(self, request: Request) -> Response:
        return _json(request, shapes.epoch_shape(self.snapshot(), self._root(request)))

    # --- cells --------------------------------------------------------------------------------------------------

    async def cells(self, request: Request) -> Response:
        view = self._view(request.path_params["epoch"])
        form = request.query_params.get("format", "json")
        if form not in FORMATS:
            raise HTTPException(400, f"The format is one of {', '.join(FORMATS)}.")
        box = request.query_params.get("bbox")
        write, kind = FORMATS[form]
        if box is not None:
            bounds = _bounds(box)
            chosen = [cell for cell in view.cells.values() if _inside(cell.cell, bounds)]
            return _body(request, await asyncio.to_thread(write, view, chosen), kind)
        return _body(request, await self._whole(view, form, write), kind)

    async def _whole(self, view: EpochView, form: str, write: Writer) -> bytes:
        """All cells of an epoch in one format; written once for each view."""
        kept = self._bodies.get((view.epoch, form))
        if kept is not None and kept[0] is view:
            return kept[1]
        body = await asyncio.to_thread(write, view, list(view.cells.values()))
        if len(self._bodies) >= KEPT_BODIES:
            self._bodies.pop(next(iter(self._bodies)))
        self._bodies[view.epoch, form] = (view, body)
        return body

    async def cell(self, request: Request) -> Response:
        view = self._view(request.query_params.get("epoch", "latest"))
        cell = pay_cell_of(view.record, _cell(request.path_params["cell"]))
        if cell is None:
            raise HTTPException(400, "The cell is coarser than a pay cell; give one of resolution 8 or finer.")
        return _json(request, shapes.cell_shape(view, cell))

    # --- hotspots -----------------------------------------------------------------------------------------------

    async def hotspots(self, request: Request) -> Response:
        snapshot, view = self.snapshot(), self._view_or_none(request)
        start, end = _page(request)
        chosen = sorted(snapshot.registry)[start:end]
        rows = [shapes.hotspot_row(snapshot, snapshot.registry[one], view) for one in chosen]
        total, epoch = len(snapshot.registry), view.epoch if view else None
        return _json(request, {"epoch": epoch, "total": total, "hotspots": rows})

    async def hotspot(self, request: Request) -> Response:
        text = request.path_params["id"].lower()
        if not ID_TEXT.fullmatch(text):
            raise HTTPException(400, "A hotspot's id is 0x and 64 hexadecimal digits.")
        snapshot = self.snapshot()
        found = snapshot.registry.get(HotspotId(bytes.fromhex(text.removeprefix("0x"))))
        if found is None:
            raise HTTPException(404, "No hotspot with this id is registered on chain.")
        return _json(request, shapes.hotspot_shape(snapshot, found, self._view_or_none(request)))

    # --- areas --------------------------------------------------------------------------------------------------

    async def area(self, request: Request) -> Response:
        return await self._cut(request, await _limited_body(request, geojson.MAX_BYTES))

    async def area_given(self, request: Request) -> Response:
        if self.given_area is None:
            raise HTTPException(404, "The server was started without an area; send one to /v1/areas.")
        return await self._cut(request, self.given_area)

    async def _cut(self, request: Request, data: bytes) -> Response:
        view = self._view(request.query_params.get("epoch", "latest"))
        async with self._areas:
            try:
                shape = await asyncio.to_thread(cut_area, view, data)
            except (geojson.GeoJsonError, AreaTooLargeError) as error:
                raise HTTPException(400, shapes.as_sentence(str(error))) from error
        return _json(request, shape)

    # --- the rest -----------------------------------------------------------------------------------------------

    async def events(self, request: Request) -> Response:
        if self.hub.is_full:
            raise HTTPException(503, "Too many listen already; ask /v1/network from time to time instead.")
        headers = {"cache-control": "no-store", "access-control-allow-origin": "*"}
        return StreamingResponse(self.hub.stream(), media_type="text/event-stream", headers=headers)

    async def health(self, request: Request) -> Response:
        snapshot = self.snapshot()
        newest = snapshot.newest
        return _json(
            request, {"ok": True, "newest_epoch": newest.epoch if newest else None, "trouble": snapshot.trouble}
        )

    async def page(self, request: Request) -> Response:
        found = respond(self.assets, request, request.path_params["path"] or "index.html")
        if found is None:
            raise HTTPException(404, "There is nothing here; the map is at /, its data under /v1.")
        return found


def create_app(service: Service) -> Starlette:
    """The ASGI application."""
    routes = [
        Route("/healthz", service.health),
        Route("/network.json", service.network_file),
        Route("/v1/network", service.network),
        Route("/v1/epochs", service.epochs),
        Route("/v1/epochs/{epoch}", service.epoch),
        Route("/v1/epochs/{epoch}/cells", service.cells),
        Route("/v1/cells/{cell}", service.cell),
        Route("/v1/hotspots", service.hotspots),
        Route("/v1/hotspots/{id}", service.hotspot),
        Route("/v1/areas", service.area, methods=["POST"]),
        Route("/v1/areas/given", service.area_given),
        Route("/v1/events", service.events),
        Route("/{path:path}", service.page),
    ]
    middleware = [Middleware(GZipMiddleware, minimum_size=1_024, compresslevel=6)]
    return Starlette(routes=routes, middleware=middleware, exception_handlers={HTTPException: _refused})


def cut_area(view: EpochView, data: bytes) -> shapes.Shape:
    """An area's coverage in an epoch, as JSON; GeoJsonError or AreaTooLargeError if it is none."""
    return shapes.area_shape(view, area_coverage(geojson.read_area(data), shapes.covered_cells(view)))


# --- answers ------------------------------------------------------------------------------------------------


def _json(request: Request, shape: Any) -> Response:
    return _body(request, json.dumps(shape, ensure_ascii=False, separators=(",", ":")).encode(), JSON)


def _body(request: Request, body: bytes, kind: str) -> Response:
    """A body with its ETag. Browsers always ask again: a devnet started anew has other epochs at the same address."""
    etag = f'"{sha256(body).hex()[:20]}"'
    headers = {"etag": etag, "cache-control": "no-cache", "access-control-allow-origin": "*"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=kind, headers=headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentence = f"This address does not take {request.method}" if error.status_code == WRONG_METHOD else error.detail
    body = json.dumps({"error": shapes.as_sentence(sentence)}, ensure_ascii=False)
    headers = {**(error.headers or {}), "access-control-allow-origin": "*"}
    return Response(body, status_code=error.status_code, media_type=JSON, headers=headers)


Writer = Callable[[EpochView, Sequence[CellView]], bytes]


def _as_json(view: EpochView, cells: Sequence[CellView]) -> bytes:
    rows = [shapes.cell_row(cell) for cell in cells]
    shape = {"epoch": view.epoch, "left_out": view.cells_left_out, "cells": rows}
    return json.dumps(shape, separators=(",", ":")).encode()


def _as_csv(view: EpochView, cells: Sequence[CellView]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, ("epoch", *shapes.CELL_COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows({"epoch": view.epoch, **shapes.cell_row(cell)} for cell in cells)
    return out.getvalue().encode()


def _as_geojson(view: EpochView, cells: Sequence[CellView]) -> bytes:
    """One feature a line, so that it can be read line by line."""
    lines = ",\n".join(json.dumps(_feature(view, cell), separators=(",", ":")) for cell in cells)
    return f'{{"type":"FeatureCollection","features":[\n{lines}\n]}}\n'.encode()


def _feature(view: EpochView, cell: CellView) -> shapes.Shape:
    ring = [[round(longitude, 7), round(latitude, 7)] for latitude, longitude in h3.cell_to_boundary(cell.cell)]
    geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    return {"type": "Feature", "properties": {"epoch": view.epoch, **shapes.cell_row(cell)}, "geometry": geometry}


FORMATS: dict[str, tuple[Writer, str]] = {
    "json": (_as_json, JSON),
    "csv": (_as_csv, CSV),
    "geojson": (_as_geojson, GEOJSON),
}


# --- questions ----------------------------------------------------------------------------------------------


def _epoch(text: str) -> int:
    if not EPOCH_TEXT.fullmatch(text):
        raise HTTPException(400, "An epoch is a whole number, or `latest`.")
    return int(text)


def _cell(text: str) -> int:
    if not CELL_TEXT.fullmatch(text.lower()):
        raise HTTPException(400, "A cell is an H3 index of 15 hexadecimal digits, such as 881f8d7a63fffff.")
    cell = int(text, 16)
    if not geo.is_cell(cell, 0, 15):
        raise HTTPException(400, f"{text} is no H3 cell.")
    return cell


def _page(request: Request) -> tuple[int, int]:
    """(first, end) of the rows asked for by `offset` and `limit`."""
    numbers = []
    for name, default in (("offset", 0), ("limit", MAX_ROWS)):
        text = request.query_params.get(name, str(default))
        if not EPOCH_TEXT.fullmatch(text):
            raise HTTPException(400, f"The {name} is a whole number.")
        numbers.append(int(text))
    return numbers[0], numbers[0] + min(numbers[1], MAX_ROWS)


def _bounds(text: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError as error:
        raise HTTPException(400, "The bbox is west,south,east,north in degrees.") from error
    if not all(map(math.isfinite, (west, south, east, north))):
        raise HTTPException(400, "The bbox is west,south,east,north in degrees.")
    return west, south, east, north


def _inside(cell: int, bounds: Iterable[float]) -> bool:
    west, south, east, north = bounds
    latitude, longitude = h3.cell_to_latlng(cell)
    across = west <= longitude <= east if west <= east else (longitude >= west or longitude <= east)
    return bool(across and south <= latitude <= north)


async def _limited_body(request: Request, most: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise HTTPException(413, f"The file is larger than {most // 1024 // 1024} MiB; simplify the outline first.")
    return bytes(body)
