// Numbers and places as people read them, and a short way to make elements.

const TOKEN = 10n ** 18n;
const FINE = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** Whole tokens of a decimal string of base units: "36,917" or "0.42" below ten. */
export function tokens(baseUnits) {
  const units = BigInt(baseUnits);
  const hundredths = (units * 100n) / TOKEN;
  if (hundredths === 0n) return "0";
  return hundredths >= 1000n ? WHOLE.format(units / TOKEN) : FINE.format(Number(hundredths) / 100);
}

/** -10_446 -> "−104.5" */
export function decibels(cdb) {
  return String(Math.round(cdb / 10) / 10).replace("-", "−");
}

/** The server's own rounding is half to even; so is this one. */
export function weight(weightU) {
  const hundredths = Math.floor(weightU / 10_000), rest = weightU % 10_000;
  const up = rest > 5_000 || (rest === 5_000 && hundredths % 2 === 1);
  return ((hundredths + up) / 100).toFixed(2);
}

export const count = (number) => WHOLE.format(number);
export const many = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;
export const short = (id) => `${id.slice(0, 8)}…${id.slice(-4)}`;
export const km2 = (value) => (value >= 100 ? WHOLE.format(value) : FINE.format(value));
export const place = (latitude, longitude, digits = 4) => `${latitude.toFixed(digits)}, ${longitude.toFixed(digits)}`;

/** The Maidenhead square of a place, six characters: JN58aj. */
export function maidenhead(latitude, longitude) {
  const east = Math.min(Math.max(longitude + 180, 0), 359.999), north = Math.min(Math.max(latitude + 90, 0), 179.999);
  const letter = (index, base) => String.fromCharCode(base.charCodeAt(0) + Math.floor(index));
  return letter(east / 20, "A") + letter(north / 10, "A") + Math.floor((east % 20) / 2) + Math.floor(north % 10)
    + letter((east % 2) * 12, "a") + letter((north % 1) * 24, "a");
}

export const byId = (id) => document.getElementById(id);
export const narrow = matchMedia("(max-width: 760px)");

/** An element: el("p", {class: "x", onclick: f}, "text", child, ...). Text is always text, never markup. */
export function el(name, attributes = {}, ...children) {
  const [tag, space] = name.startsWith("svg:") ? [name.slice(4), "http://www.w3.org/2000/svg"] : [name, "http://www.w3.org/1999/xhtml"];
  const made = document.createElementNS(space, tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "style") Object.assign(made.style, value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}
