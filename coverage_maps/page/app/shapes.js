// GeoJSON from cells: hexagons, centres, the grid under them, the graticule. Longitudes stay on one turn of the globe.

import { cellToBoundary, cellToLatLng, cellToParent, getResolution, polygonToCells } from "./vendor.js";

export const collection = (features) => ({ type: "FeatureCollection", features });
export const feature = (geometry, properties = {}) => ({ type: "Feature", geometry, properties });
const near = (longitude, other) => longitude - 360 * Math.round((longitude - other) / 360);

/** [longitude, latitude] of a cell's centre. */
export function centre(cell) {
  const [latitude, longitude] = cellToLatLng(cell);
  return [longitude, latitude];
}

const rings = new Map();
const MOST_RINGS = 200_000;

/** A cell's outline as a closed ring; kept, since the same cells come back with every epoch. */
export function ring(cell) {
  let found = rings.get(cell);
  if (!found) {
    const [middle] = centre(cell);
    const corners = cellToBoundary(cell).map(([latitude, longitude]) => [near(longitude, middle), latitude]);
    found = [...corners, corners[0]];
    if (rings.size >= MOST_RINGS) rings.clear();
    rings.set(cell, found);
  }
  return found;
}

export const hexagon = (cell, properties) => feature({ type: "Polygon", coordinates: [ring(cell)] }, properties);
export const point = (cell, properties) => feature({ type: "Point", coordinates: centre(cell) }, properties);

/** A line between two cells, by the short way round. */
export function between(from, to, properties) {
  const start = centre(from), end = centre(to);
  return feature({ type: "LineString", coordinates: [start, [near(end[0], start[0]), end[1]]] }, properties);
}

/** The pay cell over a finer cell; itself if it is as coarse already. */
export const over = (cell, level) => (getResolution(cell) > level ? cellToParent(cell, level) : cell);

const GRID_ZOOMS = [[10.6, 8], [8.9, 7], [7.4, 6], [6, 5]];
const MOST_GRID_CELLS = 6_000;

/** Outlines of the H3 grid in view, at the resolution that suits the zoom. */
export function grid(bounds, zoom) {
  const level = GRID_ZOOMS.find(([least]) => zoom >= least)?.[1];
  const { west, south, east, north } = bounds;
  if (level === undefined || east - west > 90) return collection([]);
  const box = [[south, west], [south, east], [north, east], [north, west]];
  const cells = polygonToCells(box, level);
  if (cells.length > MOST_GRID_CELLS) return collection([]);
  return collection(cells.map((cell) => feature({ type: "LineString", coordinates: ring(cell) })));
}

const GRATICULE_STEPS = [[11.5, 0.05], [9.5, 0.1], [8, 0.5], [6, 1], [4, 5], [2.5, 10], [0, 30]];

/** Meridians and parallels in view. */
export function graticule(bounds, zoom) {
  const step = GRATICULE_STEPS.find(([least]) => zoom >= least)[1];
  const whole = bounds.east - bounds.west >= 360;
  const { west, south, east, north } = whole ? { ...bounds, west: -180, east: 180 } : bounds;
  const lines = [];
  for (let x = Math.floor(west / step) * step; x <= east; x += step) lines.push([[x, Math.max(south, -85)], [x, Math.min(north, 85)]]);
  for (let y = Math.floor(south / step) * step; y <= north; y += step) lines.push([[west, y], [east, y]]);
  return collection(lines.map((coordinates) => feature({ type: "LineString", coordinates })));
}
