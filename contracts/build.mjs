// Compiles contracts/src with the pinned solc and writes contracts/artifacts/<Name>.json: ABI and bytecode, keys sorted.
// The same sources always give the same bytes; `make contracts` rebuilds and compares. An optional argument names
// another folder to write to.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const solc = require("solc");

const CONTRACTS = ["FarfieldToken", "Hotspots", "Epochs"];
const SETTINGS = {
  optimizer: { enabled: true, runs: 1000 },
  evmVersion: "cancun",
  metadata: { bytecodeHash: "none" },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
};

function sortKeys(value) {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sortKeys(value[key])]));
}

function compile() {
  const names = readdirSync(join(here, "src")).filter((name) => name.endsWith(".sol")).sort();
  const sources = Object.fromEntries(
    names.map((name) => [`src/${name}`, { content: readFileSync(join(here, "src", name), "utf8") }]),
  );
  const input = { language: "Solidity", sources, settings: SETTINGS };
  const find = (path) => ({ contents: readFileSync(require.resolve(path), "utf8") });
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: find }));
  // A warning about our own sources counts as an error; those about libraries are their authors' business.
  const ours = (problem) => problem.severity === "error" || problem.sourceLocation?.file.startsWith("src/");
  const problems = (output.errors ?? []).filter(ours);
  for (const problem of problems) process.stderr.write(`${problem.formattedMessage}\n`);
  if (problems.length > 0) throw new Error(`solc reported ${problems.length} problem(s)`);
  return output.contracts;
}

const target = process.argv[2] ?? join(here, "artifacts");
mkdirSync(target, { recursive: true });
const compiled = compile();
for (const name of CONTRACTS) {
  const { abi, evm } = compiled[`src/${name}.sol`][name];
  const artifact = {
    abi,
    bytecode: `0x${evm.bytecode.object}`,
    contractName: name,
    deployedBytecode: `0x${evm.deployedBytecode.object}`,
  };
  writeFileSync(join(target, `${name}.json`), `${JSON.stringify(sortKeys(artifact), null, 1)}\n`);
}
