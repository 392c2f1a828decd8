// The map's style: a drawn base that needs no server, and the layers our data goes into. One function of the theme.

import { THEMES } from "./palette.js";
import { collection } from "./shapes.js";

const SOURCES = ["land", "graticule", "grid", "cells", "area", "gaps", "links", "focus", "places", "hotspots"];
const CITY_ZOOM = 8;

export function style(theme) {
  const colors = THEMES[theme];
  return {
    version: 8,
    sources: Object.fromEntries(SOURCES.map((name) => [name, source(name)])),
    layers: [...base(colors), ...cells(theme, colors), ...area(colors), ...links(colors), ...marks(theme, colors)],
  };
}

const source = (name) => ({ type: "geojson", data: collection([]), ...(name === "land" ? { maxzoom: Math.ceil(CITY_ZOOM), buffer: 32 } : {}) });

// No `glyphs` anywhere: labels are drawn with the reader's own system font.
const FONT = { "text-font": ["sans-serif"] };

function base(colors) {
  return [
    {
      // Near by, the coarse coast would lie: the sea's tone fades into the land's.
      id: "ground", type: "background",
      paint: { "background-color": ["interpolate", ["linear"], ["zoom"], CITY_ZOOM - 1.5, colors.sea, CITY_ZOOM, colors.land] },
    },
    { id: "land", type: "fill", source: "land", maxzoom: CITY_ZOOM + 0.5, paint: { "fill-color": colors.land, "fill-antialias": false } },
    { id: "graticule", type: "line", source: "graticule", paint: { "line-color": colors.line, "line-width": 1 } },
    { id: "grid", type: "line", source: "grid", paint: { "line-color": colors.grid, "line-width": 0.6, "line-opacity": 0.7 } },
  ];
}

function cells(theme, colors) {
  const shown = ["get", "shown"];
  return [
    { id: "cells", type: "fill", source: "cells", filter: ["has", "color"], paint: { "fill-color": ["get", "color"], "fill-opacity": shown } },
    {
      id: "cells-hatch", type: "fill", source: "cells", filter: ["==", ["get", "state"], "tested"],
      paint: { "fill-pattern": `hatch/${theme}`, "fill-opacity": shown },
    },
    {
      id: "cells-edge", type: "line", source: "cells", filter: ["all", ["has", "edge"], ["!=", ["get", "state"], "untested"]],
      paint: { "line-color": ["get", "edge"], "line-width": ["interpolate", ["linear"], ["zoom"], 8, 0.6, 13, 2], "line-opacity": shown },
    },
    {
      id: "cells-untested", type: "line", source: "cells", filter: ["==", ["get", "state"], "untested"],
      paint: { "line-color": colors.label, "line-width": 1, "line-opacity": ["*", 0.5, shown], "line-dasharray": [2, 2.4] },
    },
  ];
}

function area(colors) {
  return [
    { id: "area-uncovered", type: "fill", source: "area", filter: ["==", ["get", "part"], "uncovered"], paint: { "fill-color": colors.gap, "fill-opacity": 0.2 } },
    { id: "area-covered", type: "line", source: "area", filter: ["==", ["get", "part"], "covered"], paint: { "line-color": colors.accent, "line-width": 2 } },
    { id: "area-edge", type: "line", source: "area", filter: ["==", ["get", "part"], "outline"], paint: { "line-color": colors.gap, "line-width": 1.8, "line-dasharray": [3, 2] } },
  ];
}

function links(colors) {
  const width = ["interpolate", ["linear"], ["get", "count"], 1, 1.4, 12, 4.5];
  return [
    { id: "links-ring", type: "line", source: "links", layout: { "line-cap": "round" }, paint: { "line-color": colors.ring, "line-width": ["+", 2.4, width], "line-opacity": ["case", ["get", "mapper"], 0.3, 0.75] } },
    { id: "links", type: "line", source: "links", filter: ["!", ["get", "mapper"]], layout: { "line-cap": "round" }, paint: { "line-color": ["get", "color"], "line-width": width } },
    { id: "links-mapper", type: "line", source: "links", filter: ["get", "mapper"], paint: { "line-color": ["get", "color"], "line-width": width, "line-dasharray": [3, 1] } },
    { id: "focus-ring", type: "line", source: "focus", paint: { "line-color": colors.ring, "line-width": 6.5 } },
    { id: "focus", type: "line", source: "focus", paint: { "line-color": colors.ink, "line-width": 3 } },
  ];
}

function marks(theme, colors) {
  return [
    {
      id: "cell-numbers", type: "symbol", source: "cells", minzoom: 11.8, filter: ["has", "label"],
      layout: { ...FONT, "text-field": ["get", "label"], "text-size": ["interpolate", ["linear"], ["zoom"], 11.8, 11, 14, 15], "text-padding": 0, "text-variable-anchor": ["center", "bottom", "top", "left", "right"], "text-radial-offset": 0.9 },
      paint: { "text-color": ["get", "ink"], "text-opacity": ["case", ["<", ["get", "shown"], 0.4], 0.2, 1] },
    },
    {
      id: "places", type: "symbol", source: "places",
      filter: ["all", ["<=", ["get", "from"], ["zoom"]], [">", ["get", "to"], ["zoom"]]],
      layout: { ...FONT, "text-field": ["get", "name"], "text-size": ["interpolate", ["linear"], ["zoom"], 3, 11.5, 12, 14], "symbol-sort-key": ["get", "order"], "text-letter-spacing": 0.02, "text-padding": 6 },
      paint: { "text-color": colors.label, "text-halo-color": colors.halo, "text-halo-width": 1.6 },
    },
    {
      id: "hotspots", type: "symbol", source: "hotspots",
      layout: {
        "icon-image": ["concat", "spot/", ["get", "kind"], "/", ["get", "status"], `/${theme}`],
        "icon-size": ["interpolate", ["linear"], ["zoom"], 6, 0.55, 11, 0.9, 14, 1.15],
        "icon-allow-overlap": true, "icon-padding": 0, "symbol-sort-key": ["get", "order"],
      },
      paint: { "icon-opacity": ["get", "shown"] },
    },
    { id: "gap-spots", type: "circle", source: "gaps", paint: { "circle-radius": 13, "circle-color": colors.gap, "circle-stroke-color": colors.ring, "circle-stroke-width": 2.5 } },
    {
      id: "gap-numbers", type: "symbol", source: "gaps",
      layout: { ...FONT, "text-field": ["get", "number"], "text-size": 14, "text-allow-overlap": true },
      paint: { "text-color": "#ffffff" },
    },
  ];
}
