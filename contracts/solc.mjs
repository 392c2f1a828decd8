#!/usr/bin/env node
// What forge takes for a native compiler: the pinned npm solc behind `--version` and `--standard-json`.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const solc = require("solc");

if (process.argv.includes("--version")) {
  const version = solc.version().replace(/\.Emscripten.*$/, "");
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${version}.Linux.g++\n`);
} else {
  const find = (path) => ({ contents: readFileSync(require.resolve(path), "utf8") });
  process.stdout.write(solc.compile(readFileSync(0, "utf8"), { import: find }));
}
