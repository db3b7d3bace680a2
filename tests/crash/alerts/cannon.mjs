// cannon.mjs MODULES PORT TOKEN TEMPLATES IDS AMOUNT: autocannon hands in so many alerts NAME-N of the templates; the ids
// that were answered 202 go to IDS, a line each.  Prints how it went as JSON.
import { createRequire } from "node:module";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";

const [modules, port, token, templatesFile, idsFile, amount] = process.argv.slice(2);
const autocannon = createRequire(modules + "/")("autocannon");
const templates = readFileSync(templatesFile, "utf8").trimEnd().split("\n");
let n = 0;

function letters(k) {
  let out = "";
  for (; k > 0; k = Math.floor(k / 26)) out += String.fromCharCode(97 + (k % 26));
  return out;
}

function setupRequest(request) {
  n += 1;
  const body = templates[n % templates.length].replaceAll("@ID@", `cannon-${n}`).replaceAll("@RULE@", `cannon.${letters(n)}`);
  return { ...request, body };
}

function onResponse(status, body) {
  if (status === 202) appendFileSync(idsFile, JSON.parse(body).alerts[0].id + "\n");
}

writeFileSync(idsFile, "");
const result = await autocannon({
  url: `http://127.0.0.1:${port}`, connections: 32, amount: Number(amount), timeout: 20,
  requests: [{
    method: "POST", path: "/v1/alerts", setupRequest, onResponse,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
  }],
});
console.log(JSON.stringify({ seconds: result.duration, statuses: result.statusCodeStats, errors: result.errors }));
