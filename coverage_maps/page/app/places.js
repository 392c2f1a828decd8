// Names to find one's way by: [name, latitude, longitude, from zoom, to zoom]. Rounded public facts; far cities leave
// the map before their rounding would show.

import { collection, feature } from "./shapes.js";

const FAR = 8.5, NEAR = 13.5, EARLIER = 0.6;

const WORLD = [
  ["Accra", 5.6, -0.19, 3.5], ["Addis Ababa", 9.03, 38.74, 3], ["Algiers", 36.75, 3.06, 3.5], ["Amsterdam", 52.37, 4.9, 4.5],
  ["Ankara", 39.93, 32.86, 4], ["Athens", 37.98, 23.73, 4], ["Auckland", -36.85, 174.76, 3.5], ["Baghdad", 33.31, 44.36, 3.5],
  ["Bangkok", 13.75, 100.5, 3], ["Barcelona", 41.39, 2.17, 4.5], ["Beijing", 39.9, 116.4, 2.5], ["Belgrade", 44.82, 20.46, 4.5],
  ["Berlin", 52.52, 13.4, 4], ["Bern", 46.95, 7.44, 5], ["Bogotá", 4.71, -74.07, 3], ["Brussels", 50.85, 4.35, 4.5],
  ["Bucharest", 44.43, 26.1, 4], ["Budapest", 47.5, 19.04, 4.5], ["Buenos Aires", -34.6, -58.38, 2.5], ["Cairo", 30.04, 31.24, 2.5],
  ["Cape Town", -33.92, 18.42, 3], ["Casablanca", 33.57, -7.59, 3.5], ["Chicago", 41.88, -87.63, 3], ["Copenhagen", 55.68, 12.57, 4.5],
  ["Dakar", 14.72, -17.47, 3.5], ["Delhi", 28.61, 77.21, 2.5], ["Denver", 39.74, -104.99, 3.5], ["Dhaka", 23.81, 90.41, 3],
  ["Dubai", 25.2, 55.27, 3.5], ["Dublin", 53.35, -6.26, 4.5], ["Frankfurt", 50.11, 8.68, 5], ["Geneva", 46.2, 6.14, 5.5],
  ["Hamburg", 53.55, 9.99, 5], ["Hanoi", 21.03, 105.85, 3.5], ["Helsinki", 60.17, 24.94, 4], ["Ho Chi Minh City", 10.82, 106.63, 3.5],
  ["Hong Kong", 22.32, 114.17, 3], ["Istanbul", 41.01, 28.98, 3], ["Jakarta", -6.21, 106.85, 3], ["Johannesburg", -26.2, 28.05, 3],
  ["Karachi", 24.86, 67.01, 3], ["Kinshasa", -4.44, 15.27, 3], ["Kyiv", 50.45, 30.52, 3.5], ["Lagos", 6.52, 3.38, 2.5],
  ["Lima", -12.05, -77.04, 3], ["Lisbon", 38.72, -9.14, 4], ["London", 51.51, -0.13, 2.5], ["Los Angeles", 34.05, -118.24, 2.5],
  ["Lyon", 45.76, 4.84, 5.5], ["Madrid", 40.42, -3.7, 3.5], ["Manila", 14.6, 120.98, 3], ["Melbourne", -37.81, 144.96, 3],
  ["Mexico City", 19.43, -99.13, 2.5], ["Miami", 25.76, -80.19, 3.5], ["Milan", 45.46, 9.19, 4.5], ["Minsk", 53.9, 27.57, 4],
  ["Montréal", 45.5, -73.57, 3.5], ["Moscow", 55.76, 37.62, 2.5], ["Mumbai", 19.08, 72.88, 2.5], ["Munich", 48.14, 11.58, 4.5],
  ["Nairobi", -1.29, 36.82, 3], ["New York", 40.71, -74.01, 2.5], ["Nuremberg", 49.45, 11.08, 5.5], ["Oslo", 59.91, 10.75, 4],
  ["Ottawa", 45.42, -75.7, 4], ["Paris", 48.86, 2.35, 3], ["Perth", -31.95, 115.86, 3.5], ["Prague", 50.08, 14.44, 4.5],
  ["Quito", -0.18, -78.47, 4], ["Reykjavík", 64.15, -21.94, 3.5], ["Rio de Janeiro", -22.91, -43.17, 3.5], ["Riyadh", 24.71, 46.68, 3.5],
  ["Rome", 41.9, 12.5, 4], ["San Francisco", 37.77, -122.42, 3.5], ["Santiago", -33.45, -70.67, 3], ["São Paulo", -23.55, -46.63, 2.5],
  ["Seattle", 47.61, -122.33, 4], ["Seoul", 37.57, 126.98, 3], ["Shanghai", 31.23, 121.47, 3], ["Singapore", 1.35, 103.82, 3],
  ["Sofia", 42.7, 23.32, 4.5], ["Stockholm", 59.33, 18.07, 4], ["Strasbourg", 48.57, 7.75, 5.5], ["Stuttgart", 48.78, 9.18, 5],
  ["Sydney", -33.87, 151.21, 2.5], ["Tashkent", 41.3, 69.24, 3.5], ["Tehran", 35.69, 51.39, 3], ["Tel Aviv", 32.09, 34.78, 4.5],
  ["Tokyo", 35.68, 139.69, 2.5], ["Toronto", 43.65, -79.38, 3.5], ["Tunis", 36.81, 10.18, 4.5], ["Turin", 45.07, 7.69, 5.5],
  ["Vancouver", 49.28, -123.12, 3.5], ["Vienna", 48.21, 16.37, 4], ["Vilnius", 54.69, 25.28, 4.5], ["Warsaw", 52.23, 21.01, 4],
  ["Washington", 38.9, -77.04, 4], ["Zagreb", 45.81, 15.98, 4.5], ["Zürich", 47.38, 8.54, 5],
];

const AROUND_ULM = [
  ["Ulm", 48.3984, 9.9916, 6], ["Neu-Ulm", 48.3927, 10.0111, 10], ["Augsburg", 48.3717, 10.8983, 6.5], ["Reutlingen", 48.4914, 9.2043, 7.5],
  ["Memmingen", 47.9838, 10.1802, 7.5], ["Biberach", 48.0983, 9.7885, 8], ["Heidenheim", 48.6761, 10.1545, 8], ["Göppingen", 48.7034, 9.6521, 8],
  ["Günzburg", 48.4553, 10.2771, 8.5], ["Ehingen", 48.2833, 9.7258, 8.5], ["Geislingen", 48.6243, 9.8306, 8.5], ["Laichingen", 48.4906, 9.6863, 9],
  ["Blaubeuren", 48.4119, 9.7853, 9], ["Langenau", 48.4992, 10.1192, 9], ["Senden", 48.3243, 10.0444, 9.5], ["Weißenhorn", 48.3047, 10.1597, 9],
  ["Illertissen", 48.2239, 10.1033, 9], ["Blaustein", 48.4167, 9.9167, 10], ["Dornstadt", 48.4692, 9.9419, 10], ["Erbach", 48.3278, 9.8878, 10],
  ["Elchingen", 48.4511, 10.0967, 10], ["Nersingen", 48.4292, 10.1217, 10.5], ["Dietenheim", 48.2114, 10.0731, 10], ["Laupheim", 48.2289, 9.8797, 9],
  ["Söflingen", 48.397, 9.952, 11.5], ["Wiblingen", 48.361, 9.983, 11.3], ["Böfingen", 48.419, 10.017, 11.5], ["Lehr", 48.436, 9.965, 11.5],
  ["Jungingen", 48.441, 9.993, 11.5], ["Pfuhl", 48.41, 10.036, 11.5], ["Ludwigsfeld", 48.373, 10.004, 11.8], ["Donaustetten", 48.337, 9.931, 11.5],
];

/** Names as points, biggest first. */
export function names() {
  const make = (to) => ([name, latitude, longitude, from]) =>
    feature({ type: "Point", coordinates: [longitude, latitude] }, { name, from: from - EARLIER, to, order: from });
  return collection([...WORLD.map(make(FAR)), ...AROUND_ULM.map(make(NEAR))]);
}
