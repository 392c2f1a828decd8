// The same things as the map, as a table: for screen readers, for keyboards, for anyone who prefers numbers.

import { STATUS } from "./palette.js";
import { count, decibels, el, short, tokens, weight } from "./text.js";

const ROWS_SHOWN = 300;
const STATES = { covered: "covered", tested: "tested, not heard", untested: "never tested" };
const amount = (text) => BigInt(text);

const COLUMNS = {
  cells: [
    ["Cell", (one) => one.cell, (one) => one.cell],
    ["State", (one) => STATES[one.state], (one) => one.state],
    ["Weight", (one) => `${weight(one.weight_u)}×`, (one) => one.weight_u, true],
    ["Signal dBm", (one) => (one.rssi_cdb === null ? "–" : decibels(one.rssi_cdb)), (one) => one.rssi_cdb ?? -1e9, true],
    ["Incumbent dBm", (one) => (one.baseline_cdb === null ? "–" : decibels(one.baseline_cdb)), (one) => one.baseline_cdb ?? -1e9, true],
    ["Proved by", (one) => one.proving_hotspots, (one) => one.proving_hotspots, true],
    ["Paid", (one) => tokens(one.paid), (one) => amount(one.paid), true],
  ],
  hotspots: [
    ["Hotspot", (one) => one.name, (one) => one.name],
    ["Kind", (one) => one.kind, (one) => one.kind],
    ["Status", (one) => (STATUS[one.status] ?? STATUS.silent).label, (one) => one.status],
    ["Links", (one) => one.links, (one) => one.links, true],
    ["This epoch", (one) => tokens(one.earned), (one) => amount(one.earned), true],
    ["Earned in all", (one) => tokens(one.earned_total), (one) => amount(one.earned_total), true],
    ["Claimed", (one) => tokens(one.claimed), (one) => amount(one.claimed), true],
    ["Owner", (one) => short(one.owner), (one) => one.owner],
  ],
};
const START = { cells: { column: 2, down: true }, hotspots: { column: 4, down: true } };

export class Table {
  #box;
  #kind = "cells";
  #sort = structuredClone(START);
  #rows = { cells: [], hotspots: [] };
  #selected = null;
  #go;
  #close;

  constructor(box, go, close) {
    [this.#box, this.#go, this.#close] = [box, go, close];
  }

  get isOpen() {
    return !this.#box.hidden;
  }

  open(open) {
    this.#box.hidden = !open;
    this.#draw();
    if (open) this.#box.querySelector("[role=tab]").focus();
  }

  /** What is in view now. */
  show(cells, hotspots, selected) {
    this.#rows = { cells, hotspots };
    this.#selected = selected;
    this.#draw();
  }

  #draw() {
    if (this.#box.hidden) return;
    const kept = this.#box.querySelector(".scroll")?.scrollTop ?? 0;
    this.#box.replaceChildren(this.#tabs(), el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Rows" }, this.#table()));
    this.#box.querySelector(".scroll").scrollTop = kept;
  }

  #tabs() {
    const tab = (kind, text) =>
      el("button", { type: "button", role: "tab", "aria-selected": String(this.#kind === kind), onclick: () => this.#choose(kind) }, `${text} in view: ${count(this.#rows[kind].length)}`);
    return el("div", { class: "tabs" }, el("div", { role: "tablist", "aria-label": "Rows of" }, tab("cells", "Cells"), tab("hotspots", "Hotspots")), el("button", { type: "button", class: "close", "aria-label": "Close the table", onclick: this.#close }, "×"));
  }

  #choose(kind) {
    this.#kind = kind;
    this.#draw();
    this.#box.querySelector("[role=tab][aria-selected=true]").focus();
  }

  #table() {
    const columns = COLUMNS[this.#kind], sort = this.#sort[this.#kind];
    const [, , by] = columns[sort.column];
    const compare = (a, b) => (by(a) < by(b) ? -1 : by(a) > by(b) ? 1 : 0);
    const rows = [...this.#rows[this.#kind]].sort((a, b) => (sort.down ? -compare(a, b) : compare(a, b)));
    const left = rows.length - ROWS_SHOWN;
    return el(
      "table",
      { "data-testid": "table" },
      el("caption", {}, left > 0 ? `${count(left)} more are in view: zoom in, or take all of them as CSV.` : "What is in view on the map."),
      el("thead", {}, el("tr", {}, columns.map((column, place) => this.#head(column, place, sort)))),
      el("tbody", {}, rows.slice(0, ROWS_SHOWN).map((one) => this.#row(one, columns))),
    );
  }

  #head([name, , , number], place, sort) {
    const sorted = place === sort.column ? (sort.down ? "descending" : "ascending") : "none";
    const arrow = { descending: " ↓", ascending: " ↑", none: "" }[sorted];
    const onclick = () => {
      this.#sort[this.#kind] = { column: place, down: place === sort.column ? !sort.down : Boolean(number) };
      this.#draw();
      this.#box.querySelectorAll("th button")[place].focus();
    };
    return el("th", { scope: "col", class: number ? "number" : "", "aria-sort": sorted }, el("button", { type: "button", onclick }, name + arrow));
  }

  #row(one, columns) {
    const id = one.cell && this.#kind === "cells" ? one.cell : one.id, kind = this.#kind === "cells" ? "cell" : "hotspot";
    const chosen = this.#selected?.id === id;
    return el(
      "tr",
      { class: chosen ? "chosen" : "", "data-id": id },
      columns.map(([, text, , number], place) =>
        el("td", { class: number ? "number" : "" }, place ? String(text(one)) : el("button", { type: "button", class: "link", "aria-current": chosen ? "true" : null, onclick: () => this.#go(kind, id) }, text(one))),
      ),
    );
  }
}
