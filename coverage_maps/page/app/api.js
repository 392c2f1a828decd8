// Asks our own server for JSON. Every failure is an Error whose message is a sentence.

const AREA_LIMIT_BYTES = 4 * 1024 * 1024;

async function read(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The map's server does not answer. It may have been stopped; this page asks again.");
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.error ?? `The server answered ${answer.status}.`);
  return body;
}

export const network = () => read("v1/network");
export const epochs = () => read("v1/epochs?limit=500");
export const epoch = (number) => read(`v1/epochs/${number}`);
export const cells = (number) => read(`v1/epochs/${number}/cells`);
export const cell = (id, number) => read(`v1/cells/${id}?epoch=${number}`);
export const hotspots = (number) => read(`v1/hotspots?epoch=${number}`);
export const hotspot = (id, number) => read(`v1/hotspots/${id}?epoch=${number}`);
export const givenArea = (number) => read(`v1/areas/given?epoch=${number}`);

export async function area(text, number) {
  if (text.length > AREA_LIMIT_BYTES) throw new Error("The file is larger than 4 MiB; simplify the outline first.");
  return read(`v1/areas?epoch=${number}`, { method: "POST", body: text });
}

/** Calls `told` with every new state of the network; returns nothing, the browser reconnects on its own. */
export function listen(told, silent) {
  const source = new EventSource("v1/events");
  source.addEventListener("state", (event) => told(JSON.parse(event.data)));
  source.addEventListener("error", silent);
}
