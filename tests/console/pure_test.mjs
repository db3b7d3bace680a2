// pure_test.mjs: what the console's scripts decide (runtime/server/console/pure.js), by Node.js: `node --test`.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as pure from "../../runtime/server/console/pure.js";

const NOW = Date.parse("2026-11-25T03:00:00.000Z");
const at = seconds => new Date(NOW + seconds * 1000).toISOString();

test("what a reader could not see is shown by its number", () => {
  assert.deepEqual(pure.pieces("<b>a</b>\n\tü 🦀"), [{ text: "<b>a</b>\n\tü 🦀" }]);
  assert.deepEqual(pure.pieces("a\u202eb\u0007"), [{ text: "a" }, { mark: "U+202E" }, { text: "b" }, { mark: "U+0007" }]);
  for (const c of ["\u0000", "\r", "\u001b", "\u007f", "\u0085", "\u00ad", "\u061c", "\u200b", "\u200f", "\u2028",
                   "\u202a", "\u2066", "\u2069", "\ufeff", "\u3164", "\u{e0041}", "\u{e0100}", "\ud800"]) {
    assert.equal(pure.pieces(c)[0].mark !== undefined, true, c.codePointAt(0).toString(16));
  }
  assert.equal(pure.plain("x\u202ey"), "x‹U+202E›y");
  assert.deepEqual(pure.pieces(""), []);
  assert.deepEqual(pure.pieces(7), [{ text: "7" }]);
});

test("a text is cut between characters", () => {
  assert.equal(pure.cut("abc", 3), "abc");
  assert.equal(pure.cut("🦀🦀🦀", 2), "🦀…");
});

test("a command is for pasting: words are quoted, and what cannot be pasted is none", () => {
  assert.equal(pure.shellWord("host/okta.users#1"), "host/okta.users#1");
  assert.equal(pure.shellWord("a b"), "'a b'");
  assert.equal(pure.shellWord("it's; $(rm)"), "'it'\\''s; $(rm)'");
  assert.equal(pure.shellWord("--did"), "'--did'");
  assert.equal(pure.shellWord("#a"), "'#a'");
  for (const bad of ["", "a\nb", "a\u001b[2J", "a\u202e", "a\tb"]) assert.equal(pure.shellWord(bad), null);
  assert.deepEqual(pure.settling("01AB", "a/b#1"), ["lunette resume 01AB --did a/b#1", "lunette resume 01AB --did-not a/b#1"]);
  assert.equal(pure.settling("01AB", "a\nb"), null);
});

test("only https leads out", () => {
  assert.equal(pure.safeLink("https://a.example/x?y"), "https://a.example/x?y");
  for (const bad of ["javascript:alert(1)", "http://a.example/", "data:text/html,x", "https://u:p@a.example/", "/x", "",
                     null, undefined]) {
    assert.equal(pure.safeLink(bad), null, String(bad));
  }
});

test("times and durations", () => {
  assert.deepEqual([0, 999, 1000, 9999, 59999, 60000, 250000, 3600000, 7500000, 86400000, 273600000].map(pure.duration),
    ["0 ms", "999 ms", "1.0 s", "9.9 s", "59 s", "1 min", "4 min 10 s", "1 h", "2 h 5 min", "1 d", "3 d 4 h"]);
  assert.equal(pure.duration(NaN), "");
  assert.equal(pure.distance(at(-5), NOW), "just now");
  assert.equal(pure.distance(at(0), NOW), "just now");
  assert.equal(pure.distance(at(5), NOW), "within a minute");
  assert.equal(pure.distance(at(-150), NOW), "2 min ago");
  assert.equal(pure.distance(at(2700), NOW), "in 45 min");
  assert.equal(pure.distance(at(-7500), NOW), "2 h 5 min ago");
  assert.equal(pure.distance("never", NOW), "");
  assert.equal(pure.clock("2026-11-24T09:58:00.123Z"), "2026-11-24 09:58:00Z");
  assert.equal(pure.clock(null), "");
  assert.equal(pure.lasted({ started: at(-90), finished: null }, NOW), "1 min 30 s");
  assert.equal(pure.lasted({ started: at(-90), finished: at(-89) }, NOW), "1.0 s");
});

test("ways to pages, and back", () => {
  assert.deepEqual(pure.route(""), { page: "now", id: null, query: {} });
  assert.deepEqual(pure.route("#/approvals/7"), { page: "approvals", id: "7", query: {} });
  assert.deepEqual(pure.route("#/runs?state=failed&for=a%2Cb"),
                   { page: "runs", id: null, query: { state: "failed", for: "a,b" } });
  assert.deepEqual(pure.route("#/runs/%zz"), { page: "now", id: null, query: {} });
  assert.equal(pure.way("runs", null, { state: "", playbook: "a b", before: undefined }), "#/runs?playbook=a+b");
  assert.equal(pure.route(pure.way("runs", "a/b?c")).id, "a/b?c");
});

test("a next page is below the API, or none", () => {
  assert.equal(pure.nextPage('</v1/runs?before=X>; rel="next"'), "/v1/runs?before=X");
  for (const bad of [null, "", '<https://evil.example/v1/>; rel="next"', '</v1/runs>; rel="prev"']) {
    assert.equal(pure.nextPage(bad), null);
  }
});

test("roles, as the server has them", () => {
  assert.equal(pure.may("viewer", "operator"), false);
  assert.equal(pure.may("operator", "approver"), false);
  assert.equal(pure.may("approver", "operator"), false);
  for (const needs of ["viewer", "operator", "approver", "admin"]) assert.equal(pure.may("admin", needs), true);
  assert.equal(pure.may("constructor", "viewer"), false);
  assert.equal(pure.whyNot("admin", "admin"), null);
  assert.match(pure.whyNot("viewer", "approver"), /approver or an admin; you are signed in as viewer/);
});

test("how loud a state is", () => {
  const loud = (...a) => pure.tone(...a);
  assert.equal(loud("waiting", null, "doubt"), "bad");
  assert.equal(loud("waiting", null, "interrupted"), "bad");
  assert.equal(loud("waiting", null, "approval"), "warn");
  assert.equal(loud("waiting", null, "timer"), "busy");
  assert.equal(loud("completed", "complete"), "good");
  assert.equal(loud("completed", "partial"), "warn");
  assert.equal(loud("failed", "partial"), "bad");
  assert.equal(loud("cancelled", null), "quiet");
});

test("lists that are none", () => {
  assert.deepEqual([pure.list({}), pure.list(null), pure.list(undefined), pure.list([1])], [[], [], [], [1]]);
  assert.deepEqual(pure.bySeverity([{ severity: "low" }, { severity: "critical" }, {}, { severity: "odd" }]).map(f => f.severity),
                   ["critical", "low", undefined, "odd"]);
});

test("what a write is about has a name, and its others", () => {
  const names = { host: ["id-1", "WS-042", "10.0.0.1", "WS-042"], user: ["x"] };
  assert.deepEqual(pure.named({ entity: "visionone:host:id-1", names }),
                   { name: "WS-042", others: ["10.0.0.1"], entity: "visionone:host:id-1" });
  assert.equal(pure.named({ entity: "okta:user:a:b" }).name, "a:b");
  assert.equal(pure.named({}).name, "?");
});

test("events change a list of runs: in place, at its place, or not at all", () => {
  const row = { outcome: null, for: null, started: at(-9), started_by: "ann", finished: null };
  const rows = [{ ...row, run: "03", playbook: "p", state: "running" },
                { ...row, run: "01", playbook: "q", state: "waiting", for: "timer" }];
  let next = pure.mergeRun(rows, { run: "03", state: "waiting", for: "approval" }, NOW);
  assert.deepEqual([next[0].state, next[0].for, next[0].started_by, rows[0].state], ["waiting", "approval", "ann", "running"]);
  next = pure.mergeRun(next, { run: "03", state: "completed", outcome: "complete" }, NOW);
  assert.deepEqual([next[0].state, next[0].for, next[0].outcome, next[0].finished], ["completed", null, "complete", at(0)]);
  next = pure.mergeRun(rows, { run: "02", state: "running", playbook: "r", by: "bob" }, NOW);
  assert.deepEqual(next.map(r => r.run), ["03", "02", "01"]);
  assert.deepEqual([next[1].playbook, next[1].started_by], ["r", "bob"]);
  assert.equal(pure.mergeRun(rows, { run: "02", state: "running", playbook: "r" }, NOW, () => false), rows);
  assert.equal(pure.mergeRun(rows, { run: "02", state: "completed", outcome: "complete" }, NOW), rows);
});

test("what just happened, a line each", () => {
  assert.equal(pure.feedLine("run", { run: "1", playbook: "p", by: "ann", state: "running" }).what, "p began, started by ann");
  assert.equal(pure.feedLine("run", { run: "1", state: "waiting", for: "doubt" }).tone, "bad");
  assert.equal(pure.feedLine("approval", { run: "1", id: "7", title: "go?", state: "waiting" }).approval, "7");
  const denied = { run: "1", id: "7", title: "go?", state: "denied", by: "bob" };
  assert.equal(pure.feedLine("approval", denied).what, "denied by bob: go?");
  assert.equal(pure.feedLine("step", { run: "1", class: "read", state: "done", op: "a.b", step: "s" }), null);
  assert.match(pure.feedLine("step", { run: "1", class: "write", state: "done", op: "a.b", step: "s" }).what, /a\.b: done/);
  assert.match(pure.feedLine("library", { stale: [{ at: "a.lua:3", why: "bad" }] }).what, /a\.lua:3: bad/);
  assert.deepEqual(pure.feedLine("library", { stale: [] }), { what: "scripts changed", tone: "quiet" });
  assert.equal(pure.feedLine("bye", {}), null);
});

test("a value of any shape is lines, and they end", () => {
  assert.deepEqual(pure.lines({ a: 1, b: { c: [] } }), [{ depth: 0, name: "a", text: "1" }, { depth: 0, name: "b", text: null },
                                                      { depth: 1, name: "c", text: "none" }]);
  assert.deepEqual(pure.lines("x"), [{ depth: 0, name: "", text: "x" }]);
  assert.equal(pure.lines(Array.from({ length: 1000 }, (_, i) => i), 10).length, 11);
});

test("samples of OpenMetrics", () => {
  const found = pure.samples('# TYPE a gauge\na{vendor="x",k="q\\"z"} 12\nb_total 3.5\nnot one\n# EOF\n');
  assert.deepEqual(found, [{ name: "a", labels: { vendor: "x", k: 'q"z' }, value: 12 },
                           { name: "b_total", labels: {}, value: 3.5 }]);
});
