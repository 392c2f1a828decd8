"""The page's files, read and packed once at start, served with an ETag each. Nothing is read from disk on a request."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from protocol.encoding import sha256

MAX_FILES, MAX_TOTAL_BYTES = 500, 64 * 1024 * 1024
WORTH_PACKING_BYTES = 1_024
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
SECURITY_HEADERS = {
    # MapLibre sizes its canvas and moves its controls with inline styles; nothing else is inline.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "geolocation=(self), camera=(), microphone=()",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, plain and, where it pays, gzipped."""

    data: bytes
    packed: bytes | None
    kind: str
    etag: str


class PageMissingError(ValueError):
    """The page's folder is not there or too large to be one."""


def load_assets(folder: Path) -> dict[str, Asset]:
    """Files of the page by their path below its folder; types the page does not use are left out."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in TYPES)
    if len(paths) > MAX_FILES or sum(path.stat().st_size for path in paths) > MAX_TOTAL_BYTES:
        raise PageMissingError(f"{folder} holds more than a page: {len(paths)} files.")
    return {path.relative_to(folder).as_posix(): _asset(path) for path in paths}


def _asset(path: Path) -> Asset:
    data = path.read_bytes()
    packed = gzip.compress(data, 6, mtime=0) if len(data) >= WORTH_PACKING_BYTES else None
    return Asset(data, packed, TYPES[path.suffix], f'"{sha256(data).hex()[:20]}"')


def respond(assets: Mapping[str, Asset], request: Request, name: str) -> Response | None:
    """The file, or 304 if the browser has it already; None if there is no such file."""
    asset = assets.get(name)
    if asset is None:
        return None
    headers = {"etag": asset.etag, "cache-control": "no-cache", "vary": "accept-encoding", **SECURITY_HEADERS}
    if request.headers.get("if-none-match") == asset.etag:
        return Response(status_code=304, headers=headers)
    if asset.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        return Response(asset.packed, media_type=asset.kind, headers=headers)
    return Response(asset.data, media_type=asset.kind, headers=headers)
