// The only module that knows where third-party code lies.
export { AttributionControl, GeolocateControl, LngLatBounds, Map, NavigationControl, Popup, ScaleControl } from "../vendor/maplibre-gl/maplibre-gl.mjs";
export { cellToBoundary, cellToLatLng, cellToParent, getResolution, isValidCell, latLngToCell, polygonToCells } from "../vendor/h3-js/h3-js.es.js";
