"""The HTTP face, asked over real HTTP: shapes, errors as sentences, caching, events."""

from __future__ import annotations

import csv
import gzip
import http.client
import io
import json
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from chain.network import checksum
from coverage_maps import events
from protocol import geo
from tests.coverage_maps.factories import FakeChain, World, ids, place, small_devices, small_world
from tests.coverage_maps.server import Running, running

TIMEOUT_S = 10


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


def ask(server: Running, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    connection = http.client.HTTPConnection(urlsplit(server.address).netloc, timeout=TIMEOUT_S)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        reply = connection.getresponse()
        return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def world() -> World:
    return small_world()


@pytest.fixture(scope="module")
def server(world) -> Iterator[Running]:
    chain = FakeChain(world)
    chain.paid = {ids(world)[0]: 5 * 10**18}
    with running(chain) as one:
        yield one


def square(north_km: float, east_km: float, size_km: float) -> bytes:
    (south, west), (north, east) = place(north_km, east_km), place(north_km + size_km, east_km + size_km)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return json.dumps({"type": "Polygon", "coordinates": [ring]}).encode()


# --- the network and its epochs -------------------------------------------------------------------------------------


def test_network_says_what_is_simulated_and_how_far_it_is(server, world):
    shape = ask(server, "/v1/network").json
    assert shape["simulated_sentence"] == shape["simulated"]["what"]
    assert shape["simulated_sentence"].startswith("The radio between hotspots is simulated")
    assert shape["honesty"] == "There is no public network yet, and there is no token for sale."
    assert (shape["newest_epoch"], shape["hotspots"], shape["trouble"]) == (2, len(world.devices), "")
    assert shape["rules"]["pay_levels"]["8"] == {"good_cdb": -10_000, "dead_cdb": -13_000, "class": 3}


def test_network_names_all_five_contracts(server):
    shape, contracts = ask(server, "/v1/network").json, server.chain.network.contracts
    names = ("token", "hotspots", "epochs", "timelock", "governor")
    assert shape["contracts"] == {name: checksum(getattr(contracts, name)) for name in names}


def test_network_file_is_the_one_others_can_join_with(server):
    from chain.network import parse

    assert parse(ask(server, "/network.json").body) == server.chain.network


def test_epochs_are_listed_newest_first_with_their_roots(server, world):
    shape = ask(server, "/v1/epochs").json
    assert [one["epoch"] for one in shape["epochs"]] == [2, 1]
    assert shape["epochs"][0]["root"] == "0x" + world.roots[1].root.hex()
    assert {one["state"] for one in shape["epochs"]} == {"verified"}
    assert len(ask(server, "/v1/epochs?limit=1&offset=1").json["epochs"]) == 1


def test_an_epoch_counts_its_outcomes_with_sentences(server):
    shape = ask(server, "/v1/epochs/latest").json
    assert shape["epoch"] == 2
    assert all(one["sentence"].endswith(".") and one["count"] > 0 for one in shape["outcomes"])
    assert sum(shape["cells"].values()) == len(ask(server, "/v1/epochs/2/cells").json["cells"])


# --- cells ----------------------------------------------------------------------------------------------------------


def test_cells_are_the_same_in_every_format(server):
    as_json = ask(server, "/v1/epochs/2/cells").json["cells"]
    as_csv = list(csv.DictReader(io.StringIO(ask(server, "/v1/epochs/2/cells?format=csv").body.decode())))
    as_geojson = ask(server, "/v1/epochs/2/cells?format=geojson").json["features"]
    assert [one["cell"] for one in as_json] == [one["cell"] for one in as_csv]
    assert [int(one["weight_u"]) for one in as_csv] == [one["weight_u"] for one in as_json]
    assert [one["properties"]["cell"] for one in as_geojson] == [one["cell"] for one in as_json]
    assert len(as_geojson[0]["geometry"]["coordinates"][0]) == 7


def test_a_box_cuts_the_cells(server):
    everything = ask(server, "/v1/epochs/2/cells").json["cells"]
    inside = ask(server, "/v1/epochs/2/cells?bbox=9.9,48.38,10.0,48.41").json["cells"]
    assert 0 < len(inside) < len(everything)


def test_a_cell_gives_its_sentence_its_weight_and_the_steps(server):
    rows = ask(server, "/v1/epochs/2/cells").json["cells"]
    row = max(rows, key=lambda one: one["proving_hotspots"])
    shape = ask(server, f"/v1/cells/{row['cell']}?epoch=2").json
    assert shape["weight_u"] == row["weight_u"]
    assert shape["sentence"].startswith(f"Pays {shape['weight']}x: ")
    assert [step["key"] for step in shape["steps"]][-2:] == ["weight", "payout"]
    assert sum(int(site["paid"]) for site in shape["sites"]) == int(row["paid"])


def test_a_finer_cell_is_answered_by_its_pay_cell(server):
    fine = geo.cell_at(48.4, 9.99, 11)
    assert ask(server, f"/v1/cells/{fine:x}").json["cell"] == f"{geo.parent(fine, 8):x}"


# --- hotspots -------------------------------------------------------------------------------------------------------


def test_hotspots_carry_earned_and_claimed(server, world):
    first = "0x" + ids(world)[0].hex()
    rows = {one["id"]: one for one in ask(server, "/v1/hotspots").json["hotspots"]}
    assert len(rows) == len(world.devices)
    assert rows[first]["claimed"] == str(5 * 10**18)
    assert rows[first]["earned_total"] == str(sum(result.earned.get(ids(world)[0], 0) for result in world.results))


def test_a_hotspot_gives_its_sentence_links_and_earnings(server, world):
    for hotspot_id in ids(world):
        shape = ask(server, f"/v1/hotspots/0x{hotspot_id.hex()}").json
        assert shape["sentence"].startswith(shape["name"])
        assert [one["epoch"] for one in shape["earnings"]] == [1, 2]
        heard = sum(one["heard_by_us"] + one["heard_by_it"] for one in shape["connections"])
        assert heard == shape["links"]


def test_a_hotspot_of_an_earlier_epoch_is_that_epochs(server, world):
    path = f"/v1/hotspots/0x{ids(world)[0].hex()}"
    assert ask(server, f"{path}?epoch=1").json["epoch"] == 1


# --- areas ----------------------------------------------------------------------------------------------------------


def test_an_area_is_cut_and_its_gaps_say_what_they_pay(server):
    shape = ask(server, "/v1/areas?epoch=2", "POST", square(-3, -2, 6)).json
    assert shape["covered_km2"] + shape["uncovered_km2"] == pytest.approx(shape["area_km2"], abs=2e-4)
    assert shape["area_km2"] == pytest.approx(36, rel=0.01)
    assert [gap["number"] for gap in shape["gaps"]] == list(range(1, len(shape["gaps"]) + 1))
    assert {"weight", "cell", "latitude_deg", "longitude_deg"} <= set(shape["gaps"][0])


def test_a_bad_area_is_a_sentence_with_the_place(server):
    answer = ask(server, "/v1/areas", "POST", b'{"type": "Polygon", "coordinates": [[[1, 2]]]}')
    assert answer.status == 400
    assert "coordinates[0] has 1 points" in answer.json["error"]


def test_an_area_too_large_to_keep_its_shape_is_refused(server):
    ring = [[-100, -10], [0, -10], [70, -10], [70, 10], [0, 10], [-100, 10], [-100, -10]]
    answer = ask(server, "/v1/areas", "POST", json.dumps({"type": "Polygon", "coordinates": [ring]}).encode())
    assert answer.status == 400
    assert "more than 60 degrees" in answer.json["error"]


def test_a_body_beyond_the_bound_is_refused(server):
    answer = ask(server, "/v1/areas", "POST", b" " * (4 * 1024 * 1024 + 1))
    assert (answer.status, "larger than 4 MiB" in answer.json["error"]) == (413, True)


def test_the_given_area_is_cut_for_the_page(world, server):
    assert ask(server, "/v1/areas/given").status == 404
    with running(FakeChain(world), given_area=square(-1, -1, 2)) as other:
        assert ask(other, "/v1/network").json["given_area"]
        assert ask(other, "/v1/areas/given").json["area_km2"] == pytest.approx(4, rel=0.01)


# --- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "part"),
    [
        ("/v1/epochs/99", 404, "Epoch 99 has no root on chain"),
        ("/v1/epochs/x", 400, "An epoch is a whole number"),
        ("/v1/epochs/99/cells", 404, "Epoch 99 has no root on chain"),
        ("/v1/epochs/2/cells?format=xml", 400, "The format is one of json, csv, geojson"),
        ("/v1/epochs/2/cells?bbox=1,2,3", 400, "The bbox is west,south,east,north"),
        ("/v1/epochs/2/cells?bbox=nan,0,inf,1", 400, "The bbox is west,south,east,north"),
        ("/v1/epochs?limit=-1", 400, "The limit is a whole number"),
        ("/v1/cells/zzz", 400, "A cell is an H3 index"),
        ("/v1/cells/881f8d7a63ffffe", 400, "is no H3 cell"),
        ("/v1/cells/871f8c118ffffff", 400, "coarser than a pay cell"),
        ("/v1/hotspots/0x12", 400, "A hotspot's id is 0x and 64"),
        ("/v1/hotspots/0x" + "9" * 64, 404, "No hotspot with this id"),
        ("/nowhere", 404, "There is nothing here"),
        ("/../../etc/passwd", 404, "There is nothing here"),
    ],
)
def test_errors_are_sentences(server, path, status, part):
    answer = ask(server, path)
    assert answer.status == status
    assert part in answer.json["error"]
    assert answer.json["error"].endswith(".")


def test_other_methods_are_refused_with_a_sentence(server):
    answer = ask(server, "/v1/network", "DELETE")
    assert answer.status == 405
    assert answer.json["error"] == "This address does not take DELETE."


def test_before_the_first_epoch_there_is_a_sentence_and_the_hotspots():
    with running(FakeChain(World(small_devices()))) as server:
        assert "No epoch has settled yet" in ask(server, "/v1/epochs/latest").json["error"]
        rows = ask(server, "/v1/hotspots").json["hotspots"]
        assert {one["status"] for one in rows} == {"new"}
        shape = ask(server, f"/v1/hotspots/{rows[0]['id']}").json
        assert shape["sentence"].endswith("is registered and plays from epoch 0.")


# --- headers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/network", "/v1/epochs/2/cells", "/network.json", "/style.css"])
def test_what_is_unchanged_is_not_sent_again(server, path):
    first = ask(server, path)
    again = ask(server, path, if_none_match=first.headers["etag"])
    assert (first.status, again.status, again.body) == (200, 304, b"")
    assert first.headers["cache-control"] == "no-cache"


def test_any_page_may_read_the_data_but_none_may_frame_ours(server):
    assert ask(server, "/v1/network").headers["access-control-allow-origin"] == "*"
    page = ask(server, "/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe-eval" not in policy
    assert "frame-ancestors 'self'" in policy
    assert page.headers["content-type"] == "text/html; charset=utf-8"


def test_bodies_are_packed_for_those_who_take_it(server):
    plain, packed = ask(server, "/v1/epochs/2/cells"), ask(server, "/v1/epochs/2/cells", accept_encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    style, less = ask(server, "/style.css"), ask(server, "/style.css", accept_encoding="gzip")
    assert gzip.decompress(less.body) == style.body


def test_scripts_are_served_as_scripts(server):
    assert ask(server, "/app/main.js").headers["content-type"] == "text/javascript; charset=utf-8"


def test_health_is_for_machines(server):
    assert ask(server, "/healthz").json == {"ok": True, "newest_epoch": 2, "trouble": ""}


# --- events ---------------------------------------------------------------------------------------------------------


def next_state(reply: http.client.HTTPResponse) -> dict:
    """The data of the next event, reading line by line."""
    for _ in range(100):
        line = reply.readline().decode()
        if line.startswith("data: "):
            return json.loads(line.removeprefix("data: "))
    raise AssertionError("no event came")


def test_a_listener_is_told_at_once_and_when_an_epoch_settles():
    world = World(small_devices())
    world.play()
    with running(FakeChain(world)) as server:
        connection = http.client.HTTPConnection(urlsplit(server.address).netloc, timeout=TIMEOUT_S)
        connection.request("GET", "/v1/events")
        reply = connection.getresponse()
        assert reply.getheader("content-type") == "text/event-stream; charset=utf-8"
        assert next_state(reply)["newest_epoch"] == 1
        world.play()
        server.look()
        assert next_state(reply)["newest_epoch"] == 2
    with closing(connection), closing(reply):
        assert reply.read().strip() == b"", "the stream ends with the server"


def test_too_many_listeners_are_sent_to_ask_instead(server, monkeypatch):
    monkeypatch.setattr(events, "MAX_LISTENERS", 0)
    answer = ask(server, "/v1/events")
    assert answer.status == 503
    assert "ask /v1/network from time to time" in answer.json["error"]
