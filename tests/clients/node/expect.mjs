// What a client script says that it did: the rows that must come of it. See tests/clients/README.md for the form.
// Packages are those of the folder in TRACEMILL_CLIENT_PACKAGES.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const folder = process.env.TRACEMILL_CLIENT_PACKAGES ?? process.cwd();
export const load = createRequire(join(folder, "package.json"));
export const version = (name) => JSON.parse(readFileSync(join(folder, "node_modules", name, "package.json"))).version;

export const ENVIRONMENT = "client-tests";
export const RELEASE = "release-7";
export const METADATA = {
  text: "plain",
  digits: "1983516295378495150",
  integer: 5,
  fraction: 5.5,
  flag: true,
  nested: { a: { b: [1, 2.25, "three", null] }, unicode: "naïve 日本 🙂" },
  list: ["x", 2],
  "ключ 🙂": 'quotes " and \\ and\nlines\tand tabs',
};
export const BIG = Array.from({ length: 8000 }, (_, n) => `line ${n}: ${n % 7 ? "日本 and " : "ascii "}${"x".repeat(n % 50)}\n`)
  .join("")
  .slice(0, 300_000);

export const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
export const texts = (metadata) => Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name, text(value)]));
/** A time within the minute after `start`. */
export const between = (start) => ({ $between: [start, start + 60_000] });

export function settings() {
  const names = ["TRACEMILL_URL", "TRACEMILL_PUBLIC_KEY", "TRACEMILL_SECRET_KEY"];
  const missing = names.filter((name) => !process.env[name]);
  if (missing.length) throw new Error(`not set: ${missing.join(", ")}`);
  return { baseUrl: process.env[names[0]], publicKey: process.env[names[1]], secretKey: process.env[names[2]] };
}

export class Said {
  rows = [];
  checks = {};
  logged = [];

  constructor(name) {
    this.sdk = `${name} ${version(name)}`;
    for (const level of ["warn", "error"]) {
      console[level] = (...parts) => this.fault(`console.${level}: ${parts.map(String).join(" ")}`);
    }
  }

  fault(line) {
    this.logged.push(line.slice(0, 500));
  }

  /** `others`: names in metadata that the server adds by itself. */
  row(table, id, fields, others = []) {
    this.rows.push({ table, id, others, fields });
  }

  done() {
    const { sdk, checks, logged, rows } = this;
    process.exitCode = Object.values(checks).every(Boolean) && !logged.length ? 0 : 1;
    process.stdout.write(JSON.stringify({ sdk, checks, logged, rows }) + "\n");
  }
}
