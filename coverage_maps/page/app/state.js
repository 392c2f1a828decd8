// What is looked at: epoch, layer, selection, view. It lives in the address, so that a link shows the same thing.

const LAYERS = ["signal", "weight"];
const CELL = /^[0-9a-f]{15,16}$/, HOTSPOT = /^0x[0-9a-f]{64}$/, EPOCH = /^[0-9]{1,12}$/;

export const state = { epoch: "latest", layer: "signal", selected: null, view: null };
const listeners = [];

export const onChange = (listener) => listeners.push(listener);

/** Takes changes, writes the address, tells everybody what changed. */
export function change(changes) {
  const changed = Object.keys(changes).filter((key) => JSON.stringify(state[key]) !== JSON.stringify(changes[key]));
  if (!changed.length) return;
  Object.assign(state, changes);
  write();
  for (const listener of listeners) listener(new Set(changed));
}

function write() {
  const parts = [];
  if (state.view) parts.push(`${state.view.zoom.toFixed(2)}/${state.view.lat.toFixed(5)}/${state.view.lng.toFixed(5)}`);
  if (state.epoch !== "latest") parts.push(`epoch=${state.epoch}`);
  if (state.layer !== "signal") parts.push(`layer=${state.layer}`);
  if (state.selected) parts.push(`${state.selected.kind}=${state.selected.id}`);
  history.replaceState(null, "", `#${parts.join("&")}`);
}

/** The state an address names; what is malformed is left as it was. */
export function read(hash = location.hash) {
  const found = { epoch: "latest", layer: "signal", selected: null };
  for (const part of hash.replace(/^#/, "").split("&")) {
    const [key, value] = part.split("=");
    if (value === undefined) found.view = view(key) ?? state.view;
    else if (key === "epoch" && EPOCH.test(value)) found.epoch = Number(value);
    else if (key === "layer" && LAYERS.includes(value)) found.layer = value;
    else if (key === "cell" && CELL.test(value)) found.selected = { kind: "cell", id: value };
    else if (key === "hotspot" && HOTSPOT.test(value)) found.selected = { kind: "hotspot", id: value };
  }
  return found;
}

function view(text) {
  const [zoom, lat, lng] = text.split("/").map(Number);
  const good = [zoom, lat, lng].every(Number.isFinite) && zoom >= 0 && zoom <= 20 && Math.abs(lat) <= 90;
  return good ? { zoom, lat, lng } : null;
}
