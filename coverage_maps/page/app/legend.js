// The legend: classes with units and how many cells in view are in each; a class can be switched off. Shapes and marks.

import { shapePath } from "./icons.js";
import { WIFI_LEVEL, keyOf, valueOf } from "./draw.js";
import { STATUS, classes, edgeOf } from "./palette.js";
import { count, el } from "./text.js";

const TITLES = {
  signal: "Best signal, as others measured it",
  weight: "Pays more where signal is missing",
};
const HEXAGON = "M10 1.2 17.8 5.6v8.8L10 18.8 2.2 14.4V5.6z";

const OTHERS = {
  proved: ["Proved, not measured", ""],
  tested: ["Tested, nobody heard", ""],
  untested: ["Never tested", "this epoch"],
};

/** Draws the legend for the cells in view; `toggled(key)` when a class is clicked. */
export function drawLegend(box, { layer, theme, cells, hidden, toggled }) {
  const counts = new Map();
  for (const cell of cells) counts.set(keyOf(cell, layer), (counts.get(keyOf(cell, layer)) ?? 0) + 1);
  const ranges = rangesOf(layer, cells);
  const rows = classes(layer).map((one, place) => row(one.key, one.label, inBoth(ranges.map((list) => list[place])), swatch(one.color, edgeOf(one.color, theme === "dark"))));
  if (layer === "signal") for (const key of Object.keys(OTHERS)) rows.push(row(key, ...OTHERS[key], plain(key, theme)));
  box.replaceChildren(el("h2", {}, ranges.length > 1 ? `${TITLES[layer]}, dBm` : TITLES[layer]), el("div", { class: "classes" }, rows), ...(layer === "weight" ? [weightNote()] : []), marks(theme));

  function row(key, label, range, mark) {
    return el(
      "button",
      { type: "button", "aria-pressed": String(!hidden.has(key)), "data-class": key, onclick: () => toggled(key), title: "Show or hide" },
      mark,
      el("span", { class: "label" }, label, range ? el("small", { class: range.includes(",") ? "both" : "" }, range) : null),
      el("span", { class: "count" }, count(counts.get(key) ?? 0)),
    );
  }
}

/** What the classes mean for the radios whose cells are in view: LoRa's, Wi-Fi's, or both; weights mean the same for all. */
function rangesOf(layer, cells) {
  const levels = new Set(cells.filter((cell) => valueOf(cell, layer) !== null).map((cell) => cell.level === WIFI_LEVEL));
  const radios = layer === "weight" || levels.size === 0 ? [false] : [...levels].sort();
  return radios.map((wifi) => classes(layer, wifi).map((one) => one.range));
}

const inBoth = (ranges) => (ranges.length === 1 ? ranges[0] : ranges.map((one) => one.replace(" dBm", "").replace(" to ", "…")).join(", Wi\u2011Fi "));

function swatch(fill, edge, extra = {}) {
  return el("svg:svg", { class: "swatch", viewBox: "0 0 20 20", "aria-hidden": "true" }, el("svg:path", { d: HEXAGON, fill, stroke: edge, "stroke-width": 1.5, ...extra }));
}

function plain(key) {
  if (key === "untested") return swatch("none", "var(--soft)", { "stroke-dasharray": "2.4 2.4" });
  const made = swatch(key === "proved" ? "var(--faint)" : "none", "var(--soft)");
  if (key === "tested") made.append(el("svg:path", { d: "M4 14 14 4M6 16.4 16.4 6M4 8.5 8.5 4M11.5 16 16 11.5", stroke: "var(--soft)", "stroke-width": 1.3 }));
  return made;
}

const weightNote = () =>
  el("div", { class: "marks" }, el("span", {}, swatch("#21918c", "#10202b", { "stroke-width": 2.4 }), "covered"), el("span", {}, swatch("#21918c80", "var(--soft)", { "stroke-dasharray": "2.4 2.4" }), "not covered yet"));

function marks(theme) {
  const mark = (kind, look, text) => el("span", {}, spot(kind, look, theme), text);
  return el(
    "div",
    { class: "marks" },
    mark("fixed", STATUS.earning, "hotspot, earning"),
    mark("fixed", STATUS.linked, "heard, not paid"),
    mark("fixed", STATUS.silent, "not at work"),
    mark("wifi", STATUS.earning, "Wi-Fi, earning"),
    mark("mapper", STATUS.earning, "mapper, moving"),
  );
}

/** A small picture of a hotspot's mark, for legend and panel. */
export function spot(kind, look, theme) {
  const color = look[theme], d = { fixed: "M8 2.2a5.8 5.8 0 1 0 0 11.6 5.8 5.8 0 0 0 0-11.6z", mapper: "M8 1.4 14.6 8 8 14.6 1.4 8z", wifi: "M2.6 2.6h10.8v10.8H2.6z" }[kind];
  return el("svg:svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, el("svg:path", { d, fill: look.hollow ? "none" : color, stroke: color, "stroke-width": 2 }));
}

export { shapePath };
