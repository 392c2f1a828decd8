// The world's land from a TopoJSON file, for zooms at which a coast says where one is. Loaded only when it is needed.

import { collection, feature } from "./shapes.js";

/** Land as GeoJSON polygons: arcs put together, seams at the antimeridian undone, the pole closed. */
export async function land() {
  const answer = await fetch("vendor/world-atlas/land-50m.json");
  if (!answer.ok) return collection([]);
  const topology = await answer.json();
  const arcs = topology.arcs.map((arc) => decode(arc, topology.transform));
  const polygons = topology.objects.land.geometries.flatMap((one) => (one.type === "MultiPolygon" ? one.arcs : [one.arcs]));
  return collection(polygons.map((rings) => feature({ type: "Polygon", coordinates: rings.map((ring) => whole(ring, arcs)) })));
}

function decode(arc, { scale, translate }) {
  let x = 0, y = 0;
  return arc.map(([dx, dy]) => [(x += dx) * scale[0] + translate[0], (y += dy) * scale[1] + translate[1]]);
}

function whole(ring, arcs) {
  const points = [];
  for (const number of ring) {
    const arc = number < 0 ? [...arcs[~number]].reverse() : arcs[number];
    points.push(...(points.length ? arc.slice(1) : arc));
  }
  for (let at = 1; at < points.length; at++) {
    const turns = Math.round((points[at][0] - points[at - 1][0]) / 360);
    if (turns) points[at] = [points[at][0] - 360 * turns, points[at][1]];
  }
  const first = points[0], last = points[points.length - 1];
  if (Math.abs(last[0] - first[0]) > 180) points.push([last[0], -85.05], [first[0], -85.05], first);
  return points;
}
