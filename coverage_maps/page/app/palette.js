// Colours and what they mean. Five steps of viridis: readable without colour vision, darker always means less.
// Colour is never the only cue: cells carry their number, uncovered ones a hatch or only an outline, kinds a shape.

export const VIRIDIS = ["#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"];

const SIGNAL_STEPS = {
  lora: [[-9_500, "excellent"], [-10_500, "strong"], [-11_500, "good"], [-12_200, "weak"], [-Infinity, "at the edge"]],
  wifi: [[-5_000, "excellent"], [-6_000, "strong"], [-7_000, "good"], [-8_000, "weak"], [-Infinity, "at the edge"]],
};
const WEIGHT_STEPS = [
  [3_250_000, "signal missing"],
  [2_500_000, "weak signal"],
  [1_750_000, "patchy signal"],
  [1_000_000, "fair signal"],
  [-Infinity, "well served"],
];

/** Classes of a layer from the highest down: {key, label, range, color}. */
export function classes(layer, wifi = false) {
  const steps = layer === "weight" ? WEIGHT_STEPS : SIGNAL_STEPS[wifi ? "wifi" : "lora"];
  return steps.map(([least, label], place) => ({
    key: `${layer}-${place}`,
    least,
    label,
    range: range(layer, steps, place),
    color: VIRIDIS[VIRIDIS.length - 1 - place],
  }));
}

function range(layer, steps, place) {
  const say = (value) => (layer === "weight" ? (value / 1e6).toFixed(2) : `${value / 100}`.replace("-", "−"));
  const unit = layer === "weight" ? "×" : " dBm";
  if (place === 0) return `${say(steps[0][0])}${unit} and up`;
  const above = say(steps[place - 1][0]);
  return place === steps.length - 1 ? `below ${above}${unit}` : `${say(steps[place][0])} to ${above}${unit}`;
}

/** The class a value falls in. */
export const classOf = (list, value) => list.find((one) => value >= one.least);

const mix = (hex, other, share) => {
  const parts = (text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
  const [a, b] = [parts(hex), parts(other)];
  return `#${a.map((value, at) => Math.round(value * (1 - share) + b[at] * share).toString(16).padStart(2, "0")).join("")}`;
};

/** An outline that stands out from its fill in either theme. */
export const edgeOf = (color, dark) => mix(color, dark ? "#ffffff" : "#10202b", 0.38);

/** Ink for numbers upon a fill. */
export const inkOn = (color) => {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  return 0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#10202b" : "#ffffff";
};

export const STATUS = {
  earning: { label: "earning", light: "#0b6f74", dark: "#4cc9c4", hollow: false },
  linked: { label: "heard, not paid", light: "#5b6b7c", dark: "#a9b8c9", hollow: false },
  rejected: { label: "rejected", light: "#b45309", dark: "#fbbf6b", hollow: true },
  unheard: { label: "nobody hears it", light: "#b45309", dark: "#fbbf6b", hollow: true },
  silent: { label: "silent", light: "#7a8794", dark: "#8494a6", hollow: true },
  new: { label: "plays soon", light: "#7a8794", dark: "#8494a6", hollow: true },
};

export const THEMES = {
  light: { land: "#f4f1e9", sea: "#cfe0e8", grid: "#ddd6c7", line: "#e7e1d4", label: "#3d4855", halo: "#ffffff", accent: "#0b6f74", gap: "#c2410c", ring: "#ffffff", ink: "#18222f" },
  dark: { land: "#161e2b", sea: "#0b1119", grid: "#263244", line: "#1e2836", label: "#b9c6d6", halo: "#0b1119", accent: "#4cc9c4", gap: "#fb923c", ring: "#0b1119", ink: "#e8edf4" },
};
