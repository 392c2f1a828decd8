// The map itself: MapLibre with our layers, told what to show, telling what was picked and what is in view.

import { image } from "./icons.js";
import { land } from "./land.js";
import { style } from "./layers.js";
import { names } from "./places.js";
import { collection, graticule, grid } from "./shapes.js";
import { AttributionControl, GeolocateControl, LngLatBounds, Map as MapLibre, NavigationControl, ScaleControl } from "./vendor.js";

const LAND_BELOW_ZOOM = 8.5;
const NOTHING = collection([]);
const dark = matchMedia("(prefers-color-scheme: dark)");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const finger = matchMedia("(pointer: coarse)");
const FINGER_PX = 9, MOUSE_PX = 2;

export const theme = () => (dark.matches ? "dark" : "light");

export class CoverageMap {
  #map;
  #data = { places: names() };
  #land = null;
  #ready;

  /** `picked(kind, id)` on a click, `moved()` after every move, `dressed()` when the theme changed. */
  constructor(container, view, { picked, moved, dressed }) {
    this.#map = new MapLibre({
      container,
      style: style(theme()),
      center: view ? [view.lng, view.lat] : [9.99, 30],
      zoom: view?.zoom ?? 1.4,
      attributionControl: false,
      maxPitch: 0,
      dragRotate: false,
      pitchWithRotate: false,
      maxZoom: 17,
    });
    const map = this.#map;
    map.touchZoomRotate.disableRotation();
    map.addControl(new NavigationControl({ showCompass: false }), "bottom-right");
    map.addControl(new GeolocateControl({ trackUserLocation: false }), "bottom-right");
    map.addControl(new AttributionControl({ compact: true, customAttribution: "Land: Natural Earth" }), "bottom-right");
    map.getContainer().querySelector(".maplibregl-compact-show")?.classList.remove("maplibregl-compact-show");
    map.addControl(new ScaleControl({ maxWidth: 120 }), "bottom-left");
    map.setMissingStyleImageResolver((id) => {
      const made = image(id);
      if (made) map.addImage(id, made.data, made.options);
    });
    map.on("style.load", () => {
      this.#refill();
      this.#base();
    });
    map.on("moveend", () => {
      this.#base();
      moved();
    });
    map.on("click", (event) => this.#pick(event.point, picked));
    for (const layer of ["hotspots", "cells", "cells-hatch", "cells-untested", "gap-spots"]) {
      map.on("mouseenter", layer, () => (map.getCanvas().style.cursor = "pointer"));
      map.on("mouseleave", layer, () => (map.getCanvas().style.cursor = ""));
    }
    dark.addEventListener("change", () => {
      map.setStyle(style(theme()), { diff: false });
      dressed();
    });
    this.#ready = new Promise((resolve) => map.once("load", resolve));
  }

  get ready() {
    return this.#ready;
  }

  get view() {
    const { lng, lat } = this.#map.getCenter();
    return { zoom: this.#map.getZoom(), lng, lat };
  }

  get bounds() {
    const bounds = this.#map.getBounds();
    return { west: bounds.getWest(), south: bounds.getSouth(), east: bounds.getEast(), north: bounds.getNorth() };
  }

  /** True if a [longitude, latitude] is in view. */
  sees([longitude, latitude]) {
    return this.#map.getBounds().contains([longitude, latitude]);
  }

  /** True if a [longitude, latitude] is in view and not under the cards. */
  isClear([longitude, latitude], padding) {
    const { x, y } = this.#map.project([longitude, latitude]);
    const { clientWidth, clientHeight } = this.#map.getContainer();
    return x > padding.left && x < clientWidth - padding.right && y > padding.top && y < clientHeight - padding.bottom;
  }

  /** Replaces what one source shows. */
  show(source, data) {
    this.#data[source] = data;
    this.#map.getSource(source)?.setData(data);
  }

  /** Brings a [longitude, latitude] to the middle of what the cards leave free. */
  goTo([longitude, latitude], zoom, padding) {
    const offset = [(padding.left - padding.right) / 2, (padding.top - padding.bottom) / 2];
    const camera = { center: [longitude, latitude], zoom: Math.max(this.#map.getZoom(), zoom), offset };
    this.#map.easeTo({ ...camera, duration: calm.matches ? 0 : 700 });
  }

  /** Shows all of some [longitude, latitude] points, beside the cards. */
  fit(points, padding, animate = true) {
    if (!points.length) return;
    const bounds = points.reduce((all, one) => all.extend(one), new LngLatBounds(points[0], points[0]));
    this.#map.fitBounds(bounds, { padding, maxZoom: 13.5, animate: animate && !calm.matches, duration: 700 });
  }

  onPointer(told) {
    this.#map.on("mousemove", ({ lngLat }) => told(lngLat));
    this.#map.on("move", () => told(this.#map.getCenter()));
  }

  #refill() {
    for (const [source, data] of Object.entries(this.#data)) this.#map.getSource(source)?.setData(data ?? NOTHING);
  }

  /** The parts of the base that depend on the view. */
  #base() {
    const zoom = this.#map.getZoom();
    this.show("grid", grid(this.bounds, zoom));
    this.show("graticule", graticule(this.bounds, zoom));
    if (zoom < LAND_BELOW_ZOOM && !this.#land) {
      this.#land = land().then((data) => this.show("land", data), () => (this.#land = null));
    }
  }

  /** The topmost thing under a click: a hotspot within reach, else a gap, else a cell. */
  #pick({ x, y }, picked) {
    const reach = finger.matches ? FINGER_PX : MOUSE_PX;
    const around = [[x - reach, y - reach], [x + reach, y + reach]];
    const [spot] = this.#map.queryRenderedFeatures(around, { layers: ["hotspots"] });
    if (spot) return picked("hotspot", spot.properties.id);
    const [gap] = this.#map.queryRenderedFeatures(around, { layers: ["gap-spots"] });
    if (gap) return picked("gap", gap.properties.number);
    const { lng, lat } = this.#map.unproject([x, y]);
    return picked("place", [lng, lat]);
  }
}
