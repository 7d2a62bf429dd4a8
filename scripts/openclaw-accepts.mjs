// What one version of OpenClaw says about configuration files: node openclaw-accepts.mjs PACKAGE SCRATCH < NAMES
//
// PACKAGE is the folder of an installed npm package `openclaw`, SCRATCH an empty folder for whatever it wants to write.
// NAMES are absolute paths, one a line. For each comes one line of JSON on stdout:
// {"version", "file", "valid", "issues": [{"path", "message"}]}.
//
// The file is read by OpenClaw's own reader, the one its gateway starts with: JSON5, $include, ${VAR}, the moves of old
// keys, its schema, its plugins' schemas. Every ${VAR} in the file stands for a made-up value, for a version of 2026.2
// refuses a file with one that is not set.
import { readFileSync, readdirSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, scratch] = process.argv.slice(2);
const { version } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
const say = (line) => process.stdout.write(`${JSON.stringify({ version, ...line })}\n`);

// Reading a file needs no network.
net.Socket.prototype.connect = () => {
  throw new Error("no network while a configuration is checked");
};
// What OpenClaw prints goes to stderr, so that stdout is ours.
console.log = console.info = console.debug = console.error;

/** The chunk that holds the reader. Names of chunks carry a hash; one copy belongs to the program's entry, which starts on import. */
async function reader() {
  const dist = path.join(folder, "dist");
  for (const name of readdirSync(dist).filter((name) => /^(config|io\.factory)-.*\.m?js$/.test(name))) {
    const text = readFileSync(path.join(dist, name), "utf8");
    const exported = /\bcreateConfigIO as (\w+)/.exec(text);
    if (exported && !text.includes('from "./entry.js"')) {
      return (await import(pathToFileURL(path.join(dist, name)).href))[exported[1]];
    }
  }
  throw new Error(`openclaw ${version} has its reader somewhere else than was expected`);
}

const quiet = { info() {}, warn() {}, error() {}, debug() {} };
const createConfigIO = await reader();

for await (const file of createInterface({ input: process.stdin })) {
  if (file === "") continue;
  const env = {
    HOME: scratch,
    OPENCLAW_STATE_DIR: scratch,
    OPENCLAW_CONFIG_PATH: file,
    OPENCLAW_CONFIG_READONLY: "1",
  };
  for (const [, name] of readFileSync(file, "utf8").matchAll(/\$\{([A-Z_][A-Z0-9_]*)\}/g)) env[name] ??= "made-up";
  try {
    const options = { configPath: file, env, homedir: () => scratch, logger: quiet, observe: false };
    const snapshot = await createConfigIO(options).readConfigFileSnapshot();
    const issues = snapshot.issues.map(({ path, message }) => ({ path, message }));
    say({ file, valid: snapshot.valid, issues });
  } catch (error) {
    say({ file, valid: false, issues: [{ path: "", message: String(error?.message ?? error) }] });
  }
}
// OpenClaw leaves timers behind, so the end is said, once every line is out.
process.stdout.write("", () => process.exit(0));
