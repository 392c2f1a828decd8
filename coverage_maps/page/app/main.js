// Puts the page together: reads what the address names, asks the server, draws, and follows the network as it settles.

import * as api from "./api.js";
import { controls } from "./controls.js";
import { WIFI_LEVEL, drawArea, drawCells, drawFocus, drawGaps, drawHotspots, drawLinks } from "./draw.js";
import { drawLegend } from "./legend.js";
import { CoverageMap, theme } from "./map.js";
import { areaPanel, cellPanel, hotspotPanel } from "./panel.js";
import { centre, collection, over } from "./shapes.js";
import { change, onChange, read, state } from "./state.js";
import { Table } from "./table.js";
import { byId, count, el, narrow, short, tokens } from "./text.js";
import { getResolution, latLngToCell } from "./vendor.js";

const LORA_LEVEL = 8;

/** What the server last said. `area` is what was measured here; it is cut again for every epoch. */
const known = { network: null, epochs: [], epoch: null, cells: [], cellById: new Map(), hotspots: [], hotspot: null, area: null };
const hidden = new Set();
let map, table, fitted = false;

// --- start --------------------------------------------------------------------------------------------------------------

async function start() {
  Object.assign(state, read());
  fitted = state.view !== null;
  if (!document.createElement("canvas").getContext("webgl2")) return noMap();
  map = new CoverageMap("map", state.view, { picked, moved, dressed: draw });
  table = new Table(byId("table"), go, () => openTable(false));
  controls({ map, table, known, go, picked, measure, close, openTable, banner });
  onChange(react);
  api.listen(told, silent);
  await refresh();
  await map.ready;
  byId("start").hidden = true;
  document.body.dataset.ready = "true";
}

function noMap() {
  byId("start").replaceChildren(el("p", {}, "This browser cannot draw the map (it has no WebGL 2). ", el("a", { href: "v1/epochs/latest/cells?format=csv" }, "Take the cells as CSV"), "."));
}

let asking = null, askAgain = false;

/** Asks for everything again: at the start, and whenever the network has moved on. One round at a time. */
async function refresh() {
  askAgain = asking !== null;
  asking ??= askAll().finally(() => (asking = null));
  await asking;
  if (askAgain) await refresh();
}

async function askAll() {
  try {
    [known.network, known.epochs] = await Promise.all([api.network(), api.epochs().then((all) => all.epochs)]);
    drawNetwork();
    drawEpochs();
    await loadEpoch();
  } catch (error) {
    trouble(error.message);
  }
}

/** The epoch looked at, as a number or `latest`. */
const wanted = () => (state.epoch === "latest" ? "latest" : state.epoch);

async function loadEpoch() {
  if (!known.network?.newest_epoch && state.epoch === "latest") return waitForFirst();
  try {
    const [epoch, cells, hotspots] = await Promise.all([api.epoch(wanted()), api.cells(wanted()), api.hotspots(wanted())]);
    Object.assign(known, { epoch, cells: cells.cells, hotspots: hotspots.hotspots, cellById: new Map(cells.cells.map((one) => [one.cell, one])) });
  } catch (error) {
    return trouble(error.message);
  }
  banner(known.network.trouble || known.network.waiting[0] || "");
  if (!fitted) fitAll();
  await Promise.all([select(), cutArea()]);
  draw();
}

async function waitForFirst() {
  const hotspots = await api.hotspots("latest").catch(() => ({ hotspots: [] }));
  known.hotspots = hotspots.hotspots;
  banner(known.network.trouble || known.network.waiting[0] || "No epoch has settled yet. The first one appears here on its own.");
  if (!fitted && known.hotspots.length) fitAll();
  draw();
}

// --- following the network ------------------------------------------------------------------------------------------------

let heard = null;

async function told(news) {
  byId("live").classList.toggle("on", true);
  const first = heard === null, newer = !first && news.newest_epoch !== heard.newest_epoch;
  heard = news;
  if (first) return;
  await refresh();
  if (newer && state.epoch !== "latest") banner(`Epoch ${news.newest_epoch} has settled.`, "Show it", () => change({ epoch: "latest" }));
  else if (newer) say(`Epoch ${news.newest_epoch} has settled and is shown.`);
}

function silent() {
  byId("live").classList.toggle("on", false);
}

function trouble(sentence) {
  banner(sentence);
  byId("start").hidden = true;
}

function banner(sentence, label, action) {
  const box = byId("banner");
  box.hidden = !sentence;
  box.replaceChildren(el("span", {}, sentence), label ? el("button", { type: "button", onclick: action }, label) : "");
}

const say = (sentence) => (byId("said").textContent = sentence);

// --- what is looked at ------------------------------------------------------------------------------------------------------

async function react(changed) {
  if (changed.has("epoch")) {
    drawEpochs();
    return loadEpoch();
  }
  if (changed.has("selected")) await select();
  if (changed.has("selected") || changed.has("layer")) draw();
}

function go(kind, id) {
  if (kind === "gap") {
    const gap = known.area.found.gaps.find((one) => one.number === Number(id));
    return map.goTo([gap.longitude_deg, gap.latitude_deg], 12.3, padding(true));
  }
  change({ selected: { kind, id } });
  const at = kind === "cell" ? id : known.hotspots.find((one) => one.id === id)?.at;
  if (at && !map.isClear(centre(at), padding(true))) map.goTo(centre(at), 12, padding(true));
}

function picked(kind, what) {
  if (kind !== "place") return go(kind, what);
  const cell = latLngToCell(what[1], what[0], LORA_LEVEL);
  const fine = latLngToCell(what[1], what[0], 9);
  const id = known.cellById.has(fine) ? fine : cell;
  if (known.cellById.has(id) || known.epoch) go("cell", id);
}

/** Asks for what is selected and fills the panel. */
async function select() {
  const chosen = state.selected, number = known.epoch?.epoch ?? "latest";
  known.hotspot = null;
  if (!chosen) return showPanel(known.area ? areaContent() : null);
  try {
    if (chosen.kind === "cell") {
      const cell = await api.cell(chosen.id, number);
      if (state.selected === chosen) showPanel(cellPanel(cell, known.network.rules, go), cell.sentence);
    } else {
      const one = await api.hotspot(chosen.id, number);
      if (state.selected !== chosen) return;
      known.hotspot = one;
      showPanel(hotspotPanel(one, theme(), go), `${one.name}. ${one.sentence}`);
    }
  } catch (error) {
    showPanel([el("p", { class: "error" }, error.message)], error.message);
  }
}

let shownKey = null;

/** Fills the panel. What is shown again after an epoch keeps its place and its open folds. */
function showPanel(content, sentence = "") {
  const panel = byId("panel"), body = byId("panel-body"), key = JSON.stringify(state.selected);
  const open = [...body.querySelectorAll("details")].map((one) => one.open), top = body.scrollTop;
  const again = !panel.hidden && key === shownKey;
  panel.hidden = !content;
  shownKey = key;
  document.body.classList.toggle("with-panel", Boolean(content));
  if (!content) return;
  body.replaceChildren(...content.flat(2).filter(Boolean));
  if (again) body.querySelectorAll("details").forEach((one, place) => (one.open = open[place] ?? false));
  body.scrollTop = again ? top : 0;
  panel.classList.toggle("short", !narrow.matches);
  if (sentence && !again) say(sentence);
}

// --- drawing ----------------------------------------------------------------------------------------------------------------

function draw() {
  if (!map) return;
  const one = known.hotspot, chosen = state.selected;
  const lit = one?.proves?.length ? new Set([...one.proves, over(one.at, one.wifi ? WIFI_LEVEL : LORA_LEVEL)]) : null;
  const near = one?.connections?.length ? new Set([one.id, ...one.connections.map((other) => other.hotspot)]) : null;
  map.show("cells", drawCells(known.cells, state.layer, theme(), hidden, lit));
  map.show("hotspots", drawHotspots(known.hotspots, near));
  map.show("links", one ? drawLinks(one) : collection([]));
  map.show("focus", chosen ? drawFocus(chosen.kind === "cell" ? chosen.id : one?.at, levelOf(chosen, one)) : collection([]));
  map.show("area", drawArea(known.area?.found));
  map.show("gaps", drawGaps(known.area?.found));
  drawView();
  drawFacts();
}

const levelOf = (chosen, one) => (chosen.kind === "cell" ? Math.min(getResolution(chosen.id), WIFI_LEVEL) : one?.wifi ? WIFI_LEVEL : LORA_LEVEL);

/** Whatever depends on what is in view. */
function drawView() {
  const cells = known.cells.filter((cell) => map.sees(centre(cell.cell)));
  const hotspots = known.hotspots.filter((one) => map.sees(centre(one.at)));
  drawLegend(byId("legend"), { layer: state.layer, theme: theme(), cells, hidden, toggled });
  table.show(cells, hotspots, state.selected);
}

function toggled(key) {
  if (!hidden.delete(key)) hidden.add(key);
  draw();
  document.querySelector(`[data-class="${key}"]`)?.focus();
}

let pause;

function moved() {
  clearTimeout(pause);
  pause = setTimeout(() => {
    change({ view: map.view });
    drawView();
  }, 80);
}

function drawNetwork() {
  const { name, simulated_sentence: simulated, honesty } = known.network;
  byId("network-name").textContent = name;
  byId("honesty").replaceChildren(...(simulated ? [el("strong", {}, "Simulated: "), `${simulated} `] : []), honesty);
  document.title = `Farfield coverage map: ${name}`;
}

function drawEpochs() {
  const select = byId("epoch-select"), shown = known.epochs.filter((one) => one.state === "verified");
  const option = (value, text) => el("option", { value }, text);
  select.replaceChildren(option("latest", `Newest${shown.length ? ` (${shown[0].epoch})` : ""}`), ...shown.map((one) => option(one.epoch, `Epoch ${one.epoch}`)));
  select.value = String(state.epoch);
  const numbers = shown.map((one) => one.epoch), at = numbers.indexOf(state.epoch === "latest" ? numbers[0] : state.epoch);
  byId("epoch-back").disabled = at < 0 || at >= numbers.length - 1;
  byId("epoch-on").disabled = at <= 0;
  byId("epoch-back").onclick = () => change({ epoch: numbers[at + 1] });
  byId("epoch-on").onclick = () => change({ epoch: at === 1 ? "latest" : numbers[at - 1] });
}

function drawFacts() {
  const { epoch } = known, box = byId("facts"), proof = byId("proof");
  box.hidden = proof.hidden = !epoch?.cells;
  if (!epoch?.cells) return;
  const fact = (number, text) => [el("b", {}, number), ` ${text} `];
  box.replaceChildren(...fact(count(epoch.cells.covered), epoch.cells.covered === 1 ? "cell covered." : "cells covered."), ...fact(`${epoch.earning} of ${epoch.hotspots}`, "hotspots earned"), ...fact(tokens(epoch.earned), `tokens in epoch ${epoch.epoch}.`));
  const signers = `${epoch.signers.length} of ${known.network.validators.length}`;
  byId("proof-text").replaceChildren(`Root ${short(epoch.root)}, signed by ${signers} validators, is on chain in block ${count(epoch.block)}. Every number here was computed from public evidence that hashes to it. `, el("a", { href: `v1/epochs/${epoch.epoch}`, target: "_blank", rel: "noopener" }, "JSON"));
}

/** Shows all covered cells; hotspots if there are none. */
function fitAll() {
  const cells = known.cells.filter((cell) => cell.state === "covered").map((cell) => centre(cell.cell));
  const points = cells.length ? cells : known.hotspots.map((one) => centre(one.at));
  if (!points.length) return;
  fitted = true;
  map.fit(points, padding(), false);
}

/** What the cards cover of the map, in pixels; with the details open or not. */
function padding(details = !byId("panel").hidden) {
  if (narrow.matches) return { top: 110, bottom: details ? byId("map").clientHeight * 0.47 : 60, left: 20, right: 20 };
  return { top: 40, bottom: 60, left: 330, right: details ? 440 : 80 };
}

// --- areas ----------------------------------------------------------------------------------------------------------------------

async function measure(file) {
  try {
    known.area = { text: await file.text(), name: file.name, found: null };
    known.area.found = await api.area(known.area.text, wanted());
  } catch (error) {
    known.area = null;
    return banner(error.message, "Close", () => banner(""));
  }
  showArea();
}

function showArea() {
  change({ selected: null });
  showPanel(areaContent(), byId("panel-body").querySelector("h2")?.textContent ?? "");
  draw();
  map.fit(known.area.found.gaps.flatMap((gap) => corners(gap.shape)).concat(corners(known.area.found.covered)), padding());
}

const corners = (geometry) => (geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates).flatMap((polygon) => polygon[0] ?? []);
const areaContent = () => areaPanel(known.area.found, known.area.name, go, removeArea);

/** Cuts the area again, by the epoch looked at now. */
async function cutArea() {
  if (known.area === null && known.network.given_area) {
    known.area = { text: null, name: "", found: await api.givenArea(wanted()) };
    if (!state.selected) showArea();
  } else if (known.area) {
    known.area.found = known.area.text === null ? await api.givenArea(wanted()) : await api.area(known.area.text, wanted());
    if (!state.selected) showPanel(areaContent());
  }
}

function close() {
  change({ selected: null });
  showPanel(null);
  draw();
}

function openTable(open) {
  table.open(open);
  byId("table-toggle").setAttribute("aria-expanded", String(open));
  if (!open) byId("table-toggle").focus();
}

function removeArea() {
  known.area = null;
  known.network.given_area = false;
  showPanel(null);
  draw();
}

start().catch((error) => trouble(`The page could not start: ${error.message}`));
