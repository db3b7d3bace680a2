// restate.mjs FOLDER URL W1_RUNS W2_RUNS PARKED: Restate's server and an endpoint of its SDK, measured.  What it keeps
// goes to FOLDER; URL is the late server.  Prints one JSON object.
import { spawn } from "node:child_process";
import { openSync } from "node:fs";
import * as restate from "@restatedev/restate-sdk";
import { answer, endWithUs, measureParked, measureSteps, pause, until } from "./common.mjs";

const [folder, url, w1Runs, w2Runs, parked] = process.argv.slice(2);
const INGRESS = "http://127.0.0.1:18080", ADMIN = "http://127.0.0.1:19070", ENDPOINT = 19080;

// The SDK takes it for granted; Debian's Node.js does not have it yet.
Promise.withResolvers ??= () => {
  const all = {};
  all.promise = new Promise((resolve, reject) => Object.assign(all, { resolve, reject }));
  return all;
};

const bench = restate.service({
  name: "bench",
  handlers: {
    w1: async (ctx) => {
      for (let i = 0; i < 20; i++) await ctx.run("s", () => "x".repeat(100));
    },
    w2: async (ctx) => {
      for (let i = 0; i < 20; i++) await ctx.run("get", async () => (await fetch(url)).text());
    },
    w3: async (ctx) => {
      await ctx.run("look", () => "x".repeat(100));
      await ctx.sleep(7 * 86400 * 1000);
    },
  },
});

async function post(to, body) {
  const r = await fetch(to, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const text = await r.text();
  if (!r.ok) throw new Error(`${to}: ${r.status} ${text}`);
}

const server = spawn("node_modules/.bin/restate-server", ["--base-dir", folder], {
  detached: true, stdio: ["ignore", "ignore", openSync(`${folder}.log`, "w")],
  env: { ...process.env, RESTATE_INGRESS__BIND_ADDRESS: "127.0.0.1:18080", RESTATE_ADMIN__BIND_ADDRESS: "127.0.0.1:19070",
         RESTATE_BIND_ADDRESS: "127.0.0.1:15122", RESTATE_LOG_FILTER: "error", DO_NOT_TRACK: "1" },
});
endWithUs(server, "SIGKILL");
await restate.serve({ services: [bench], port: ENDPOINT, logger: () => {} });
await until(() => post(`${ADMIN}/deployments`, { uri: `http://127.0.0.1:${ENDPOINT}` }));
const call = (what) => () => post(`${INGRESS}/bench/${what}`, {});
await until(call("w1"));
const w1 = [];
for (const width of [1, 256]) w1.push(await measureSteps(width, width === 1 ? Math.ceil(+w1Runs / 20) : +w1Runs, call("w1")));
const w2 = [await measureSteps(512, +w2Runs, call("w2"))];
const w3 = await measureParked(+parked, folder, () => post(`${INGRESS}/bench/w3/send`, {}), () => pause(10000));
answer({ w1, w2, w3 });
process.exit(0);
