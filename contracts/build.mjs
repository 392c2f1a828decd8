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

const CONTRACTS = ["FarfieldToken", "Hotspots", "Epochs", "FarfieldGovernor"];
// Used as it comes; FarfieldGovernor imports it, so it is compiled with our own settings.
const STOCK = { TimelockController: "@openzeppelin/contracts/governance/TimelockController.sol" };
const FUTURE_KEYWORD = "6335";
const SETTINGS = {
  optimizer: { enabled: true, runs: 1000 },
  evmVersion: "cancun",
  metadata: { bytecodeHash: "none" },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode"] } },
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
  // So is one that a name of the design, leave(), will be a keyword of a later compiler than the one pinned here.
  const ours = (problem) =>
    problem.severity === "error" ||
    (problem.sourceLocation?.file.startsWith("src/") && problem.errorCode !== FUTURE_KEYWORD);
  const problems = (output.errors ?? []).filter(ours);
  for (const problem of problems) process.stderr.write(`${problem.formattedMessage}\n`);
  if (problems.length > 0) throw new Error(`solc reported ${problems.length} problem(s)`);
  return output.contracts;
}

const target = process.argv[2] ?? join(here, "artifacts");
mkdirSync(target, { recursive: true });
const compiled = compile();
const places = { ...Object.fromEntries(CONTRACTS.map((name) => [name, `src/${name}.sol`])), ...STOCK };
for (const [name, file] of Object.entries(places)) {
  const { abi, evm } = compiled[file][name];
  const artifact = {
    abi,
    bytecode: `0x${evm.bytecode.object}`,
    contractName: name,
    deployedBytecode: `0x${evm.deployedBytecode.object}`,
    // [start, length] of every place that the constructor fills in, in order.
    immutables: Object.values(evm.deployedBytecode.immutableReferences ?? {})
      .flat()
      .map(({ start, length }) => [start, length])
      .sort((a, b) => a[0] - b[0]),
  };
  writeFileSync(join(target, `${name}.json`), `${JSON.stringify(sortKeys(artifact), null, 1)}\n`);
}
