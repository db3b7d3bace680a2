// client.mjs LUNETTE FOLDER: the Debug Adapter Protocol's own test client (that of VS Code) against `lunette dap` in
// FOLDER, where the last run is of scripts/p.lua.  Says what it did, a line each; exits 1 at the first that is not so.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [lunette, folder, modules] = process.argv.slice(2);
const { DebugClient } = createRequire(modules + "/")("@vscode/debugadapter-testsupport");
const script = folder + "/scripts/p.lua";
const client = new DebugClient(lunette, "dap", "lunette", { cwd: folder });
client.defaultTimeout = 20000;

const thread = { threadId: 1 };

async function lands(line, going) {
  const [stopped] = await Promise.all([client.waitForEvent("stopped"), going]);
  const { stackFrames } = (await client.stackTraceRequest({ threadId: stopped.body.threadId })).body;
  assert.equal(stackFrames[0].line, line);
  return { stopped: stopped.body, frame: stackFrames[0] };
}

async function variables(frame) {
  const { scopes } = (await client.scopesRequest({ frameId: frame.id })).body;
  const answer = await client.variablesRequest({ variablesReference: scopes[0].variablesReference });
  return Object.fromEntries(answer.body.variables.map(v => [v.name, v]));
}

await client.start();
await client.hitBreakpoint({ run: "last" }, { path: script, line: 5 }, undefined, undefined).catch(async () => {
  // it stands at its entry first: the helper wants the breakpoint to be what it comes to next
  await lands(5, client.continueRequest(thread));
});
console.log("breakpoint");
let at = await lands(6, client.nextRequest(thread));
assert.equal((await variables(at.frame)).x.value, "10");
at = await lands(5, client.stepBackRequest(thread));
console.log("stepBack");
assert.equal((await client.evaluateRequest({ expression: "sum + x", frameId: at.frame.id })).body.result, "10");
await lands(8, client.stepOutRequest(thread));
await lands(5, client.continueRequest(thread));
await lands(5, client.reverseContinueRequest(thread));
console.log("reverseContinue");
const { breakpoints } = (await client.setBreakpointsRequest({
  source: { path: script },
  breakpoints: [{ line: 14, condition: "sum == 60" }, { line: 6, logMessage: "sum {sum}" }],
})).body;
assert.deepEqual(breakpoints.map(b => b.verified), [true, true]);
const said = client.waitForEvent("output");
await lands(14, client.continueRequest(thread));
assert.match((await said).body.output, /sum 10\nsum 30\nsum 60\n/);
console.log("condition and logpoint");
const list = (await client.evaluateRequest({ expression: "list" })).body;
const members = (await client.variablesRequest({ variablesReference: list.variablesReference })).body.variables;
assert.deepEqual(members.map(v => v.name), ["[1]", "[2]", "[3]"]);
const [end] = await Promise.all([client.waitForEvent("stopped"), client.continueRequest(thread)]);
assert.equal(end.body.description, "the end: completed");
await Promise.all([client.waitForEvent("terminated"), client.continueRequest(thread)]);
console.log("end");
await client.stop();
