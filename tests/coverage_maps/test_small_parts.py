"""Names, places, static files, vendored files, the event hub: small parts with one promise each."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coverage_maps import events, static, vendor
from coverage_maps.events import Hub
from coverage_maps.names import ADJECTIVES, NOUNS, hotspot_name
from coverage_maps.places import parse_cell
from coverage_maps.serve import ServeError, bound_port
from coverage_maps.static import PageMissingError, load_assets
from coverage_maps.vendor import File, VendorError, copy_all
from protocol import geo

# --- names --------------------------------------------------------------------------------------------------------


@given(st.binary(min_size=32, max_size=32))
def test_a_name_is_two_words_and_a_number_and_always_the_same(hotspot_id):
    adjective, noun, number = hotspot_name(hotspot_id).split()
    assert adjective.lower() in ADJECTIVES
    assert noun.lower() in NOUNS
    assert 0 <= int(number) < 100
    assert hotspot_name(hotspot_id) == hotspot_name(bytes(hotspot_id))


def test_word_lists_hold_no_word_twice():
    assert len(set(ADJECTIVES)) == len(ADJECTIVES) == 64
    assert len(set(NOUNS)) == len(NOUNS) == 64


# --- places -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["48.4,9.99", " 48.4 9.99 ", "48.4; 9.99", "+48.4, 9.99"])
def test_places_are_read_as_people_type_them(text):
    assert parse_cell(text) == geo.cell_at(48.4, 9.99, 9)


@pytest.mark.parametrize("text", ["881f8c11d1fffff", "0x881F8C11D1FFFFF", "0881f8c11d1fffff"])
def test_cells_are_read_as_hexadecimal(text):
    assert parse_cell(text) == 0x881F8C11D1FFFFF


@pytest.mark.parametrize("text", ["", "48.4", "91,0", "0,181", "881f8c11d1ffffe", "north", "1e1,2", "nan,nan"])
def test_anything_else_is_no_place(text):
    assert parse_cell(text) is None


@given(st.text(max_size=30))
def test_any_text_is_a_cell_or_nothing(text):
    found = parse_cell(text)
    assert found is None or geo.is_cell(found, 0, 15)


# --- static files -------------------------------------------------------------------------------------------------


def test_only_types_of_a_page_are_served(tmp_path):
    (tmp_path / "app").mkdir()
    for name in ("index.html", "app/a.js", "notes.txt", "secret.toml"):
        (tmp_path / name).write_text("x")
    assert set(load_assets(tmp_path)) == {"index.html", "app/a.js"}


def test_a_folder_that_is_no_page_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(static, "MAX_FILES", 1)
    for name in ("a.js", "b.js"):
        (tmp_path / name).write_text("x")
    with pytest.raises(PageMissingError, match="2 files"):
        load_assets(tmp_path)


# --- vendored files -----------------------------------------------------------------------------------------------


@pytest.fixture
def one_file(monkeypatch):
    file = File("thing", "dist/thing.mjs", hashlib.sha256(b"code").hexdigest())
    monkeypatch.setattr(vendor, "FILES", (file,))
    return file


def test_files_are_copied_when_they_are_the_right_ones(tmp_path, one_file):
    source = tmp_path / "node_modules" / "thing" / "dist"
    source.mkdir(parents=True)
    (source / "thing.mjs").write_bytes(b"code")
    stale = tmp_path / "vendor" / "old.mjs"
    stale.parent.mkdir()
    stale.write_text("old")
    assert copy_all(tmp_path / "node_modules", tmp_path / "vendor") == ["thing/thing.mjs"]
    assert (tmp_path / "vendor" / "thing" / "thing.mjs").read_bytes() == b"code"
    assert not stale.exists()


def test_another_version_is_refused_and_replaces_nothing(tmp_path, one_file):
    source = tmp_path / "node_modules" / "thing" / "dist"
    source.mkdir(parents=True)
    (source / "thing.mjs").write_bytes(b"other")
    kept = tmp_path / "vendor" / "thing" / "thing.mjs"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"code")
    with pytest.raises(VendorError, match="is not the file this release uses"):
        copy_all(tmp_path / "node_modules", tmp_path / "vendor")
    assert kept.read_bytes() == b"code"


def test_a_missing_file_says_what_to_run(tmp_path, one_file):
    with pytest.raises(VendorError, match="npm ci --ignore-scripts"):
        copy_all(tmp_path, tmp_path / "vendor")


# --- events -------------------------------------------------------------------------------------------------------


def collect(hub: Hub, publish) -> list[str]:
    """Everything one listener gets while `publish` runs, until the hub closes."""

    async def run() -> list[str]:
        async def listen() -> list[str]:
            return [part async for part in hub.stream()]

        listening = asyncio.create_task(listen())
        await publish()
        hub.close()
        return await listening

    return asyncio.run(run())


def states(parts: list[str]) -> list[str]:
    return [part for part in parts if part.startswith("event: state")]


def test_a_slow_listener_gets_the_newest_notice_only():
    async def publish() -> None:
        await asyncio.sleep(0)
        for number in range(3):
            hub.publish({"n": number})
        await asyncio.sleep(0.01)

    hub = Hub()
    assert states(collect(hub, publish)) == ['event: state\ndata: {"n": 2}\n\n']


def test_an_equal_notice_is_not_repeated():
    async def publish() -> None:
        for _ in range(2):
            hub.publish({"n": 1})
            await asyncio.sleep(0.01)

    hub = Hub()
    assert len(states(collect(hub, publish))) == 1


def test_a_quiet_stream_shows_that_it_lives(monkeypatch):
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.005)

    async def publish() -> None:
        await asyncio.sleep(0.03)

    assert ": still here\n\n" in collect(Hub(), publish)


def test_listeners_are_counted_while_they_listen():
    async def publish() -> None:
        await asyncio.sleep(0.01)
        counts.append(hub.listeners)

    hub, counts = Hub(), []
    collect(hub, publish)
    assert (counts, hub.listeners) == ([1], 0)


# --- ports --------------------------------------------------------------------------------------------------------


def test_a_taken_port_is_a_sentence():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match=f"Port {port} is taken by another program"):
            bound_port("127.0.0.1", port)
