"""The page in a real browser over a real server: what people read is what the API says, with no request elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.coverage_maps.factories import FakeChain, World, city_devices, place, small_devices
from tests.coverage_maps.server import Running, running

pytestmark = pytest.mark.browser

TIMEOUT_MS = 20_000
DESKTOP, PHONE = {"width": 1100, "height": 700}, {"width": 390, "height": 844}


class Page:
    """A tab that remembers what went wrong in it and whom it asked."""

    def __init__(self, tab, address: str) -> None:
        self.tab, self.address, self.faults, self.elsewhere = tab, address, [], []
        tab.set_default_timeout(TIMEOUT_MS)
        tab.on("pageerror", lambda error: self.faults.append(str(error)))
        tab.on("console", lambda message: message.type in ("error", "warning") and self.faults.append(message.text))
        tab.on("request", lambda request: self._seen(request.url))

    def _seen(self, url: str) -> None:
        if not url.startswith((self.address, "data:", "blob:")):
            self.elsewhere.append(url)

    def open(self, path: str = "/") -> None:
        self.tab.goto(self.address + path)
        self.tab.wait_for_selector("body[data-ready]")

    def text(self, name: str) -> str:
        return self.tab.locator(f"[data-testid={name}]").inner_text()

    def value(self, name: str, attribute: str) -> str:
        return self.tab.locator(f"[data-testid={name}]").get_attribute(attribute)

    def ask(self, path: str):
        return self.tab.evaluate("path => fetch(path).then(answer => answer.json())", path)


@contextmanager
def opened(browser, server: Running, path: str = "/", **context) -> Iterator[Page]:
    inside = browser.new_context(viewport=context.pop("viewport", DESKTOP), reduced_motion="reduce", **context)
    try:
        page = Page(inside.new_page(), server.address)
        page.open(path)
        yield page
        assert page.elsewhere == [], "the page asks nobody but its own server"
        assert page.faults == []
    finally:
        inside.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    world = World(city_devices())
    for _ in range(2):
        world.play()
    with running(FakeChain(world)) as one:
        yield one


def square_km(size_km: float) -> bytes:
    """A GeoJSON square around the middle of the city."""
    (south, west), (north, east) = place(-size_km / 2, -size_km / 2), place(size_km / 2, size_km / 2)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return json.dumps({"type": "Polygon", "coordinates": [ring]}).encode()


def best_cell(server: Running, epoch: int) -> str:
    """The cell in which most hotspots hold a place."""
    view = server.follower.snapshot.views[epoch]
    return f"{max(view.cells.values(), key=lambda one: (len(one.proving), one.cell)).cell:x}"


def hotspot_of(server: Running, number: int) -> str:
    return "0x" + server.chain.world.devices[number].registered.hotspot_id.hex()


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_cell_opens_with_its_sentence_and_the_weight_the_need_command_prints(browser, server, epoch):
    cell = best_cell(server, epoch)
    with opened(browser, server, f"/#epoch={epoch}&cell={cell}") as page:
        page.tab.wait_for_selector("[data-testid=cell-sentence]")
        shape = page.ask(f"/v1/cells/{cell}?epoch={epoch}")
        assert page.text("cell-sentence") == shape["sentence"]
        assert int(page.value("cell-weight", "data-weight-u")) == shape["weight_u"]
        assert page.text("cell-weight") == f"{shape['weight']}×"
        first = page.tab.locator("#panel-body > *").first.get_attribute("data-testid")
        assert first == "cell-sentence", "the plain sentence is the first line"


def test_the_fold_shows_the_numbers_behind_the_pay(browser, server):
    with opened(browser, server, f"/#cell={best_cell(server, 2)}") as page:
        assert not page.tab.locator(".steps").first.is_visible()
        page.tab.click("[data-testid=cell-fold] summary")
        steps = page.tab.locator("[data-step]")
        shape = page.ask(f"/v1/cells/{best_cell(server, 2)}?epoch=2")
        assert [steps.nth(at).get_attribute("data-step") for at in range(steps.count())] == [
            one["key"] for one in shape["steps"]
        ]
        weight = page.tab.locator("[data-step=weight]")
        assert weight.is_visible()
        assert weight.get_attribute("data-exact") == str(shape["weight_u"])


def test_a_click_on_the_map_opens_the_cell_under_it(browser, server):
    latitude, longitude = place(0.35, -0.35)
    with opened(browser, server, f"/#13/{latitude}/{longitude}") as page:
        page.tab.mouse.click(DESKTOP["width"] / 2, 86 + (DESKTOP["height"] - 86) / 2)
        page.tab.wait_for_selector("[data-testid=cell-sentence]")
        assert "cell=" in page.tab.evaluate("location.hash")


def test_a_hotspot_shows_what_it_earned_and_claimed(browser, server):
    spot = hotspot_of(server, 0)
    server.chain.paid = {server.chain.world.devices[0].registered.hotspot_id: 12 * 10**18}
    server.look()
    with opened(browser, server, f"/#hotspot={spot}") as page:
        page.tab.wait_for_selector("[data-testid=hotspot-sentence]")
        shape = page.ask(f"/v1/hotspots/{spot}")
        assert page.text("hotspot-sentence") == shape["sentence"]
        assert page.value("hotspot-earned", "data-amount") == shape["earned"] != "0"
        assert page.value("hotspot-claimed", "data-amount") == str(12 * 10**18)
        assert page.text("hotspot-claimed") == "12"


def test_a_rejection_is_shown_with_its_sentence(browser, server):
    with opened(browser, server, f"/#hotspot={hotspot_of(server, 1)}") as page:
        lost = page.tab.locator("[data-reason=SAME_OWNER]")
        lost.wait_for()
        assert "Beaconer and witness belong to one owner." in lost.inner_text()


def test_what_is_simulated_is_always_said(browser, server):
    with opened(browser, server) as page:
        said = page.text("honesty")
        assert "Simulated: The radio between hotspots is simulated" in said
        assert "There is no public network yet, and there is no token for sale." in said
        assert page.tab.locator("[data-testid=honesty]").is_visible()


def test_the_legend_counts_the_cells_in_view_and_hides_a_class(browser, server):
    with opened(browser, server) as page:
        counts = page.tab.locator("[data-testid=legend] .count").all_inner_texts()
        assert sum(map(int, counts)) > 30
        button = page.tab.locator("[data-class=untested]")
        button.click()
        assert page.tab.locator("[data-class=untested]").get_attribute("aria-pressed") == "false"


def test_the_layer_is_kept_in_the_address(browser, server):
    with opened(browser, server) as page:
        page.tab.click("[data-layer=weight]")
        assert "layer=weight" in page.tab.evaluate("location.hash")
        assert "signal missing" in page.text("legend")


def test_the_table_holds_what_is_in_view_and_opens_rows(browser, server):
    with opened(browser, server) as page:
        page.tab.click("#table-toggle")
        rows = page.tab.locator("[data-testid=table] tbody tr")
        rows.first.wait_for()
        cell = rows.first.get_attribute("data-id")
        rows.first.locator("button").click()
        page.tab.wait_for_selector("[data-testid=cell-sentence]")
        assert f"cell={cell}" in page.tab.evaluate("location.hash")


def test_everything_is_reachable_by_keyboard(browser, server):
    with opened(browser, server) as page:
        page.tab.keyboard.press("/")
        page.tab.keyboard.type("48.4, 9.99")
        page.tab.keyboard.press("Enter")
        page.tab.wait_for_selector("[data-testid=cell-sentence]")
        page.tab.keyboard.press("Escape")
        page.tab.keyboard.press("Escape")
        page.tab.wait_for_selector("#panel", state="hidden")


def test_an_area_is_measured_and_its_gaps_are_numbered(browser, server):
    file = {"name": "a.geojson", "mimeType": "application/geo+json", "buffer": square_km(6)}
    with opened(browser, server) as page:
        page.tab.set_input_files("#area-file", files=[file])
        page.tab.wait_for_selector("[data-testid=area-sentence]")
        assert re.fullmatch(r"[0-9]{2}\.[0-9]% of 36\.[0-9]{2} km² is covered\.", page.text("area-sentence"))
        assert page.tab.locator("[data-gap='1']").is_visible()


def test_an_area_the_server_was_started_with_is_drawn_at_once(browser):
    world = World(small_devices())
    world.play()
    with running(FakeChain(world), given_area=square_km(6)) as server, opened(browser, server) as page:
        page.tab.wait_for_selector("[data-testid=area-sentence]")
        assert "km² is covered." in page.text("area-sentence")
        page.tab.click("text=Remove the area")
        page.tab.wait_for_selector("#panel", state="hidden")


def test_a_bad_area_is_a_sentence(browser, server):
    with opened(browser, server) as page:
        file = {"name": "a.geojson", "mimeType": "application/geo+json", "buffer": b"{"}
        page.tab.set_input_files("#area-file", files=[file])
        page.tab.wait_for_selector("#banner:not([hidden])")
        assert "This is not JSON" in page.tab.locator("#banner").inner_text()
        page.faults.clear()


def test_a_settled_epoch_appears_on_its_own(browser):
    world = World(small_devices())
    world.play()
    with running(FakeChain(world)) as server, opened(browser, server) as page:
        page.tab.wait_for_selector(".live.on")
        world.play()
        server.look()
        page.tab.wait_for_selector("#epoch-select option:text('Newest (2)')", state="attached")


def test_a_pinned_epoch_stays_and_a_newer_one_is_offered(browser):
    world = World(small_devices())
    world.play()
    with running(FakeChain(world)) as server, opened(browser, server, "/#epoch=1") as page:
        page.tab.wait_for_selector(".live.on")
        world.play()
        server.look()
        page.tab.wait_for_selector("#banner button")
        assert "Epoch 2 has settled." in page.tab.locator("#banner").inner_text()
        assert page.tab.locator("#epoch-select").input_value() == "1"
        page.tab.click("#banner button")
        page.tab.wait_for_function("() => document.querySelector('#epoch-select').value === 'latest'")


def test_before_the_first_epoch_the_page_says_so(browser):
    with running(FakeChain(World(small_devices()))) as server, opened(browser, server) as page:
        page.tab.wait_for_selector("#banner:not([hidden])")
        assert "No epoch has settled yet." in page.tab.locator("#banner").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_the_cell_as_a_sheet(browser, server, scheme):
    shape = {"viewport": PHONE, "color_scheme": scheme, "has_touch": True, "is_mobile": True}
    with opened(browser, server, f"/#cell={best_cell(server, 2)}", **shape) as page:
        page.tab.wait_for_selector("[data-testid=cell-sentence]")
        box = page.tab.locator("#panel").bounding_box()
        assert (box["x"], round(box["width"])) == (0, PHONE["width"])
        assert box["y"] > PHONE["height"] / 3
        assert page.tab.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
