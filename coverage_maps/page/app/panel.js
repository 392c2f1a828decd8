// What is known of the selected cell, hotspot or area. The first line is always a plain sentence; numbers come after.

import { spot } from "./legend.js";
import { STATUS, VIRIDIS } from "./palette.js";
import { cellToLatLng } from "./vendor.js";
import { count, decibels, el, km2, maidenhead, many, place, short, tokens, weight } from "./text.js";

const REASONS_SHOWN = 8, ROWS_SHOWN = 40, BARS = 30;

// --- a cell -------------------------------------------------------------------------------------------------------------

/** A pay cell in one epoch. `go(kind, id)` selects something else. */
export function cellPanel(cell, rules, go) {
  const [latitude, longitude] = cellToLatLng(cell.cell);
  const signal = cell.rssi_cdb === null ? el("dd", {}, "none", el("small", {}, cell.state === "tested" ? "tested" : "")) : el("dd", {}, decibels(cell.rssi_cdb), el("small", {}, "dBm"));
  return [
    el("h2", { "data-testid": "cell-sentence" }, cell.sentence),
    el("p", { class: "kicker" }, "Cell", copied(cell.cell), `epoch ${cell.epoch}`),
    el(
      "dl",
      { class: "tiles" },
      tile("Pay weight", el("dd", { "data-testid": "cell-weight", "data-weight-u": cell.weight_u }, cell.weight, el("small", {}, "×"))),
      tile("Signal here", signal),
      tile("Tokens paid", el("dd", {}, tokens(cell.paid))),
    ),
    ruler(cell.weight_u, rules),
    el(
      "details",
      { class: "fold", "data-testid": "cell-fold" },
      el("summary", {}, "How this number comes about"),
      el("ol", { class: "steps" }, cell.steps.map((step) => el("li", { "data-step": step.key, "data-exact": step.exact }, el("b", {}, step.title), el("output", {}, step.value), el("p", {}, step.how)))),
    ),
    ...sites(cell, go),
    cell.reaches.length ? el("h3", {}, `Measured here, best of ${many(cell.reaches.reduce((sum, one) => sum + one.receptions, 0), "reception")}`) : null,
    el("ul", { class: "rows" }, [...cell.reaches].sort((a, b) => b.rssi_cdb - a.rssi_cdb).slice(0, ROWS_SHOWN).map((one) => reachRow(one, go))),
    el("p", { class: "quiet" }, `${km2(cell.area_km2)} km² around ${place(latitude, longitude)}, ${maidenhead(latitude, longitude)}. `, json(`v1/cells/${cell.cell}?epoch=${cell.epoch}`)),
  ];
}

/** Those paid, then a fold with those that are not, and why. */
function sites(cell, go) {
  const paid = cell.sites.filter((site) => site.paid !== "0"), rest = cell.sites.filter((site) => site.paid === "0");
  const rows = (list) => el("ol", { class: "rows" }, list.slice(0, ROWS_SHOWN).map((site) => siteRow(site, go)));
  const more = rest.length ? el("details", { class: "fold" }, el("summary", {}, `${many(rest.length, "hotspot")} not paid here, and why`), el("div", { class: "inside" }, rows(rest))) : null;
  return [paid.length ? el("h3", {}, "Paid here, tokens this epoch") : null, rows(paid), more];
}

function siteRow(site, go) {
  const paid = site.paid !== "0";
  return el(
    "li",
    { "data-site": site.hotspot, "data-points": site.points },
    el("span", { class: paid ? "badge" : "badge off", title: "Place among the sites of this cell" }, site.rank || "–"),
    link(site.name, () => go("hotspot", site.hotspot)),
    el("span", { class: "amount" }, paid ? tokens(site.paid) : "0"),
    el("p", {}, `${site.sentence} Quality ${site.quality}${site.rank_u ? `, rank counts ${site.rank_u / 1e6}, ${(site.points_u / 1e6).toFixed(4)} points` : ""}.`),
  );
}

function reachRow(one, go) {
  return el(
    "li",
    {},
    el("span", {}),
    link(one.name, () => go("hotspot", one.hotspot)),
    el("span", { class: "amount" }, `${decibels(one.rssi_cdb)} dBm`),
    el("p", {}, `SNR up to ${decibels(one.snr_cdb)} dB, ${many(one.receptions, "reception")}.`),
  );
}

/** Where a weight lies between the least and the most a cell can pay. */
function ruler(weightU, rules) {
  const { weight_least_u: least, weight_most_u: most } = rules;
  const at = Math.min(Math.max((weightU - least) / (most - least), 0), 1);
  const steps = VIRIDIS.map((color, place) => `${color} ${place * 20}% ${(place + 1) * 20}%`).join(", ");
  return el(
    "div",
    { class: "ruler", role: "img", "aria-label": `${weight(weightU)} between ${weight(least)} and ${weight(most)}`, style: { background: `linear-gradient(90deg, ${steps})` } },
    el("i", { style: { left: `${at * 100}%` } }),
    el("span", { style: { left: "0" } }, `${weight(least)}× well served`),
    el("span", { style: { left: "100%" } }, `no signal ${weight(most)}×`),
  );
}

// --- a hotspot ----------------------------------------------------------------------------------------------------------

/** A hotspot in one epoch. */
export function hotspotPanel(one, theme, go) {
  const status = STATUS[one.status] ?? STATUS.silent;
  const kind = one.mapper ? "mapper" : one.wifi ? "wifi" : "fixed";
  return [
    el("h2", { "data-testid": "hotspot-sentence" }, one.sentence),
    el("p", { class: "kicker" }, `Hotspot, ${one.kind}`, copied(one.id, short(one.id)), one.epoch === null ? null : `epoch ${one.epoch}`),
    el(
      "dl",
      { class: "tiles" },
      tile("This epoch", el("dd", { "data-testid": "hotspot-earned", "data-amount": one.earned }, tokens(one.earned))),
      tile("Earned in all", el("dd", { "data-testid": "hotspot-earned-total", "data-amount": one.earned_total }, tokens(one.earned_total))),
      tile("Claimed", el("dd", { "data-testid": "hotspot-claimed", "data-amount": one.claimed }, tokens(one.claimed))),
    ),
    spark(one.earnings, one.epoch),
    el("p", { class: "quiet" }, el("span", { class: "status" }, markOf(kind, status, theme), status.label), ` Owner ${short(one.owner)}. `, json(`v1/hotspots/${one.id}?epoch=${one.epoch ?? "latest"}`)),
    ...(one.beacons === undefined ? [] : [el("h3", {}, "What became of its reports"), outcomes(one)]),
    one.sites?.length ? el("h3", {}, `Cells it proves or wants: ${one.sites.length}`) : null,
    el("ol", { class: "rows" }, (one.sites ?? []).slice(0, ROWS_SHOWN).map((site) => placeRow(site, go))),
    one.connections?.length ? el("h3", {}, `Links: ${one.connections.length}`) : null,
    el("ul", { class: "rows" }, (one.connections ?? []).slice(0, ROWS_SHOWN).map((other) => connectionRow(other, go))),
  ];
}

const markOf = (kind, status, theme) => {
  const made = spot(kind, status, theme);
  made.style.width = made.style.height = "13px";
  return made;
};

function outcomes(one) {
  const line = (good, all, what) => el("li", {}, el("span", { class: good ? "badge" : "badge off" }, count(good)), el("span", {}, `of ${many(all, what)} accepted`), el("span", {}));
  return el(
    "ul",
    { class: "rows" },
    line(one.beacons_accepted, one.beacons, "beacon"),
    line(one.witnesses_accepted, one.witnesses, "reception"),
    one.rejections.slice(0, REASONS_SHOWN).map((rejected) =>
      el("li", { "data-reason": rejected.reason }, el("span", { class: "badge off" }, count(rejected.count)), el("span", {}, rejected.sentence), el("span", {}), el("p", {}, `${rejected.role === "beacon" ? "Beacons" : "Receptions"}, reason ${rejected.code}`)),
    ),
  );
}

function placeRow(site, go) {
  return el(
    "li",
    {},
    el("span", { class: site.paid === "0" ? "badge off" : "badge", title: "Place among the sites of the cell" }, site.rank || "–"),
    link(`Cell ${site.cell}`, () => go("cell", site.cell)),
    el("span", { class: "amount" }, site.paid === "0" ? "0" : tokens(site.paid)),
    el("p", {}, `${site.sentence} Pays ${weight(site.weight_u)}×, quality ${site.quality}.`),
  );
}

function connectionRow(other, go) {
  const parts = [other.heard_by_it ? `heard it ${other.heard_by_it}×` : "", other.heard_by_us ? `was heard ${other.heard_by_us}×` : ""];
  return el(
    "li",
    {},
    el("span", {}),
    link(other.name, () => go("hotspot", other.hotspot)),
    el("span", { class: "amount" }, `${decibels(other.rssi_cdb)} dBm`),
    el("p", {}, `${other.mapper ? "By a mapper. " : ""}${parts.filter(Boolean).join(", ")}; SNR up to ${decibels(other.snr_cdb)} dB.`),
  );
}

/** Earnings of the last epochs as bars. */
function spark(earnings, epoch) {
  const shown = earnings.slice(-BARS);
  if (shown.length < 2) return null;
  const most = shown.reduce((all, one) => (BigInt(one.earned) > all ? BigInt(one.earned) : all), 1n);
  const width = 360 / shown.length;
  const bars = shown.map((one, place) => {
    const height = Math.max(Number((BigInt(one.earned) * 400n) / most) / 10, 1);
    return el("svg:rect", { x: place * width + 1, y: 44 - height, width: Math.max(width - 2, 1), height, rx: 1.5, class: one.epoch === epoch ? "here" : "" }, el("svg:title", {}, `Epoch ${one.epoch}: ${tokens(one.earned)} tokens`));
  });
  const ends = [el("svg:text", { x: 1, y: 57 }, `epoch ${shown[0].epoch}`), el("svg:text", { x: 359, y: 57, "text-anchor": "end" }, `epoch ${shown.at(-1).epoch}`)];
  return el("svg:svg", { class: "spark", viewBox: "0 0 360 62", role: "img", "aria-label": `Earned in the last ${shown.length} epochs` }, bars, ends);
}

// --- an area ------------------------------------------------------------------------------------------------------------

/** An area's coverage: the share, and where building would help most. */
export function areaPanel(found, name, go, remove) {
  const share = `${(found.covered_share * 100).toFixed(1)}%`;
  const gaps = found.gap_count > found.gaps.length ? `The ${found.gaps.length} largest of ${count(found.gap_count)} gaps` : many(found.gaps.length, "gap");
  return [
    el("h2", { "data-testid": "area-sentence" }, `${share} of ${km2(found.area_km2)} km² is covered.`),
    el("p", { class: "kicker" }, "Area", name ? el("code", {}, name) : null, `epoch ${found.epoch}`),
    el("dl", { class: "tiles" }, tile("Covered", el("dd", {}, km2(found.covered_km2), el("small", {}, "km²"))), tile("Not covered", el("dd", {}, km2(found.uncovered_km2), el("small", {}, "km²"))), tile("Gaps", el("dd", {}, count(found.gap_count)))),
    found.gaps.length ? el("h3", {}, gaps) : null,
    el(
      "ol",
      { class: "rows" },
      found.gaps.map((gap) =>
        el(
          "li",
          { "data-gap": gap.number },
          el("span", { class: "badge" }, gap.number),
          link(`Around ${place(gap.latitude_deg, gap.longitude_deg)}`, () => go("gap", gap.number)),
          el("span", { class: "amount" }, `${km2(gap.km2)} km²`),
          el("p", {}, `A hotspot in its middle pays ${gap.weight}×; the edge is ${count(gap.reach_m)} m away.`),
        ),
      ),
    ),
    el("p", { class: "quiet" }, "Covered: a hotspot's signal was measured in the cell this epoch, or a hotspot holds a place in it. "),
    el("p", { class: "quiet" }, link("Remove the area", remove)),
  ];
}

// --- parts ----------------------------------------------------------------------------------------------------------------

const tile = (name, value) => el("div", { class: "tile" }, el("dt", {}, name), value);
const link = (text, onclick) => el("button", { type: "button", class: "link", onclick }, text);
const json = (address) => el("a", { href: address, target: "_blank", rel: "noopener" }, "JSON");

function copied(id, shown = id) {
  const button = el("button", { type: "button", title: "Copy" }, "copy");
  button.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(id).catch(() => {});
    button.textContent = "copied";
  });
  return [el("code", { title: id }, shown), button];
}
