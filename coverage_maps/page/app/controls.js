// Everything a reader can work with but the map itself: search, layers, keys, dropped files, the sheet on a phone.

import { over } from "./shapes.js";
import { change, onChange, read, state } from "./state.js";
import { byId, el, maidenhead, place } from "./text.js";
import { getResolution, isValidCell } from "./vendor.js";

const PAY_LEVEL = 8, LEAST_ID_DIGITS = 6, SUGGESTED = 500;
const PLACE = /^([+-]?\d{1,2}(?:\.\d+)?)[\s,;]+([+-]?\d{1,3}(?:\.\d+)?)$/;

/** Wires every control to what main.js gives: the map, the table, what is known, and the things to do. */
export function controls(page) {
  byId("epoch-select").addEventListener("change", ({ target }) => change({ epoch: target.value === "latest" ? "latest" : Number(target.value) }));
  byId("panel-close").addEventListener("click", page.close);
  byId("table-toggle").addEventListener("click", () => page.openTable(!page.table.isOpen));
  byId("area-file").addEventListener("change", ({ target }) => target.files[0] && page.measure(target.files[0]).then(() => (target.value = "")));
  addEventListener("hashchange", () => change(read()));
  addEventListener("keydown", (event) => keys(event, page));
  page.map.onPointer(({ lat, lng }) => {
    const longitude = ((lng + 540) % 360) - 180;
    byId("where").textContent = `${place(lat, longitude)}  ${maidenhead(lat, longitude)}`;
  });
  layers();
  searching(page);
  dropping(page);
  sheet();
}

function keys(event, page) {
  const typing = event.target.closest?.("input, select, textarea");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    byId("search-text").focus();
  } else if (event.key === "Escape" && typing) typing.blur();
  else if (event.key === "Escape" && !byId("panel").hidden) page.close();
  else if (event.key === "Escape" && page.table.isOpen) page.openTable(false);
}

function layers() {
  const buttons = [...document.querySelectorAll("[data-layer]")];
  const mark = () => {
    for (const one of buttons) {
      const on = one.dataset.layer === state.layer;
      one.setAttribute("aria-checked", String(on));
      one.tabIndex = on ? 0 : -1;
    }
  };
  for (const one of buttons) {
    one.addEventListener("click", () => change({ layer: one.dataset.layer }));
    one.addEventListener("keydown", ({ key }) => {
      if (!["ArrowLeft", "ArrowRight"].includes(key)) return;
      const other = buttons.find((button) => button !== one);
      change({ layer: other.dataset.layer });
      other.focus();
    });
  }
  onChange(mark);
  mark();
}

// --- search -------------------------------------------------------------------------------------------------------------

function searching(page) {
  byId("search-text").addEventListener("focus", () => {
    const names = page.known.hotspots.slice(0, SUGGESTED).map((one) => el("option", { value: one.name }));
    byId("search-names").replaceChildren(...names);
  });
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = byId("search-text").value.trim();
    if (text && !find(text, page)) {
      page.banner(`Nothing is called “${text.slice(0, 40)}”. Give a hotspot's name or id, a cell, or latitude, longitude.`, "Close", () => page.banner(""));
    }
  });
}

/** Goes to a hotspot by name or id, a cell of any finer resolution, or a place; false if it is none of them. */
function find(text, { known, go, picked }) {
  const low = text.toLowerCase();
  const byName = (one) => one.name.toLowerCase().startsWith(low);
  const byStart = (one) => low.length >= LEAST_ID_DIGITS && one.id.startsWith(low);
  const spot = known.hotspots.find(byStart) ?? known.hotspots.find(byName);
  if (spot) go("hotspot", spot.id);
  else if (isValidCell(low) && getResolution(low) >= PAY_LEVEL) go("cell", known.cellById.has(low) ? low : over(low, PAY_LEVEL));
  else {
    const [, north, east] = text.match(PLACE)?.map(Number) ?? [];
    if (north === undefined || Math.abs(north) > 90 || Math.abs(east) > 180) return false;
    picked("place", [east, north]);
  }
  return true;
}

// --- files dropped on the page ------------------------------------------------------------------------------------------

function dropping(page) {
  const box = byId("drop");
  addEventListener("dragover", (event) => {
    event.preventDefault();
    box.hidden = false;
  });
  addEventListener("dragleave", (event) => event.relatedTarget || (box.hidden = true));
  addEventListener("drop", (event) => {
    event.preventDefault();
    box.hidden = true;
    const [file] = event.dataTransfer.files;
    if (file) page.measure(file);
  });
}

// --- narrow windows -----------------------------------------------------------------------------------------------------

const STOPS = ["low", "middle", "high"], LEAST_DRAG_PX = 30;

/** The details become a sheet with three stops, and the legend opens on demand. */
function sheet() {
  const panel = byId("panel"), grip = byId("grip"), legend = document.querySelector(".legend");
  let stop = 1, from = 0;
  const stand = (next) => {
    stop = Math.min(Math.max(next, 0), STOPS.length - 1);
    for (const name of STOPS) panel.classList.toggle(name, name === STOPS[stop]);
  };
  grip.addEventListener("pointerdown", (event) => {
    from = event.clientY;
    grip.setPointerCapture(event.pointerId);
  });
  grip.addEventListener("pointerup", ({ clientY }) => {
    const way = from - clientY;
    if (Math.abs(way) > LEAST_DRAG_PX) stand(stop + Math.sign(way));
    else stand(stop === STOPS.length - 1 ? 0 : stop + 1);
  });
  grip.addEventListener("keydown", ({ key }) => {
    if (key === "ArrowUp") stand(stop + 1);
    if (key === "ArrowDown") stand(stop - 1);
  });
  const more = el("button", { type: "button", class: "more", "aria-expanded": "false" }, "Legend and more");
  more.addEventListener("click", () => {
    const open = legend.classList.toggle("open");
    more.textContent = open ? "Less" : "Legend and more";
    more.setAttribute("aria-expanded", String(open));
  });
  legend.append(more);
}
