// From the epoch's data and what is looked at to what each layer of the map shows. No state of its own.

import { STATUS, THEMES, classOf, classes, edgeOf, inkOn } from "./palette.js";
import { between, collection, hexagon, over, point } from "./shapes.js";
import { decibels, weight } from "./text.js";

const FULL = 0.78, DIMMED = 0.13;
export const WIFI_LEVEL = 9;

/** The number a cell is coloured by in a layer; null where there is none. */
export const valueOf = (cell, layer) => (layer === "weight" ? cell.weight_u : cell.rssi_cdb);

/** The class a cell is drawn and counted in: one of the colours, or what it is for lack of a number. */
export function keyOf(cell, layer) {
  const value = valueOf(cell, layer);
  if (value !== null) return classOf(classes(layer, cell.level === WIFI_LEVEL), value).key;
  return cell.state === "covered" ? "proved" : cell.state;
}

/** Hexagons. `hidden`: classes switched off in the legend; `lit`: cells to leave bright, null for all. */
export function drawCells(cells, layer, theme, hidden, lit) {
  const features = [];
  for (const cell of cells) {
    if (hidden.has(keyOf(cell, layer))) continue;
    features.push(hexagon(cell.cell, look(cell, layer, theme, lit && !lit.has(cell.cell))));
  }
  return collection(features);
}

function look(cell, layer, theme, dimmed) {
  const value = valueOf(cell, layer), dark = theme === "dark";
  const made = { id: cell.cell, state: cell.state, shown: dimmed ? DIMMED : FULL };
  if (value === null) {
    if (cell.state === "covered") Object.assign(made, { color: THEMES[theme].grid, edge: THEMES[theme].label });
    else if (cell.state === "tested") made.edge = THEMES[theme].label;
    return made;
  }
  const { color } = classOf(classes(layer, cell.level === WIFI_LEVEL), value);
  const bare = layer === "weight" && cell.state !== "covered";
  if (bare && !dimmed) made.shown = 0.5;
  const label = layer === "weight" ? `${weight(value)}×` : decibels(100 * Math.round(value / 100));
  return Object.assign(made, { color, edge: edgeOf(color, dark), label, ink: bare ? THEMES[theme].ink : inkOn(color) });
}

/** Hotspot marks; a hotspot in the way of nothing else lies on top when it earns. */
export function drawHotspots(hotspots, lit) {
  const order = Object.keys(STATUS).reverse();
  return collection(
    hotspots.map((one) =>
      point(one.at, {
        id: one.id,
        kind: one.mapper ? "mapper" : one.wifi ? "wifi" : "fixed",
        status: one.mapper && one.links ? "earning" : one.status,
        order: order.indexOf(one.status),
        shown: lit && !lit.has(one.id) ? 0.3 : 1,
      }),
    ),
  );
}

/** Lines from a hotspot to everybody it has links with, best last so that it lies on top. */
export function drawLinks(hotspot) {
  const list = classes("signal", hotspot.wifi);
  return collection(
    [...(hotspot.connections ?? [])].reverse().map((one) =>
      between(one.from, one.to, {
        color: classOf(list, one.rssi_cdb).color,
        count: one.heard_by_it + one.heard_by_us,
        mapper: one.mapper,
      }),
    ),
  );
}

/** The outline of what is selected: a pay cell, or the pay cell over a hotspot. */
export function drawFocus(cell, level) {
  return cell ? collection([hexagon(over(cell, level))]) : collection([]);
}

export function drawArea(found) {
  const parts = ["uncovered", "covered", "outline"].filter((part) => found && found[part].coordinates.length);
  return collection(parts.map((part) => ({ type: "Feature", geometry: found[part], properties: { part } })));
}

export function drawGaps(found) {
  return collection(
    (found?.gaps ?? []).map((gap) => ({
      type: "Feature",
      geometry: { type: "Point", coordinates: [gap.longitude_deg, gap.latitude_deg] },
      properties: { number: String(gap.number) },
    })),
  );
}
