// run.js: one run, by its document: what it is about, what it did and did not, what it waits for, and why it is broken.
import { coalesced, get, part, send } from "./api.js";
import { badge, code, command, deed, facts, fold, h, link, section, swap, table, when } from "./dom.js";
import { doubt } from "./lists.js";
import { bySeverity, clock, duration, lasted, lines, list, tone, waitsFor, way, whyNot } from "./pure.js";

const STEPS_SHOWN = 400;

/** A value of any shape, as lines. */
export function shape(value) {
  return h("div", { class: "shape" }, lines(value).map(l =>
    h("div", { class: "depth" + Math.min(l.depth, 6) }, l.name && h("b", {}, l.name), l.name && " ", l.text)));
}

function broken(e) {
  return e && h("div", { class: "problem" },
    h("p", {}, h("strong", {}, e.code || "failed"), " ", e.message), e.at && h("p", {}, "at ", code(e.at)),
    e.rule && h("p", {}, "by the rule ", code(e.rule)));
}

// The step in doubt is asked for here in any case; other waits say their next command.
function waiting(doc) {
  const w = doc.waiting, unsure = list(doc.steps).filter(s => s.state === "doubt");
  const asked = list(doc.approvals).filter(a => a.state === "waiting");
  if (!w && !unsure.length && !asked.length) return null;
  return section("What it waits for",
    w && h("p", {}, badge(tone("waiting", null, w.for), waitsFor(w.for)), w.step && [" at ", code(w.step)],
      w.until && w.for !== "approval" && [", until ", clock(w.until), " (", when(w.until), ")"]),
    asked.map(a => h("p", {}, "Somebody has to decide: ", link(way("approvals", a.id), a.title || `question ${a.id}`),
      a.expires && [", which ends ", when(a.expires)])),
    unsure.map(s => doubt(doc, s)),
    w && w.next && w.for !== "doubt" && command(w.next));
}

function stages(doc) {
  return list(doc.stages).length ? section("Stages", h("ol", { class: "stages" }, list(doc.stages).map(s =>
    h("li", {}, h("strong", {}, s.stage), " ", badge(tone(s.state), s.state), s.why && [" ", s.why])))) : null;
}

function findings(doc) {
  const tones = { critical: "bad", high: "bad", medium: "warn" };
  return list(doc.found).length ? section("Found", h("ul", { class: "rows" }, bySeverity(doc.found).map(f =>
    h("li", {}, badge(tones[f.severity] || "quiet", f.severity || "?"), " ", f.title, " ", f.host && [" on ", f.host],
      (f.remedy || f.solution) && [". Remedy: ", f.remedy || f.solution])))) : null;
}

function notDone(doc) {
  return list(doc.not_done).length ? section("Not done", h("ul", { class: "rows" }, list(doc.not_done).map(n =>
    h("li", {}, badge("warn", n.stage || "not done"), " ", h("strong", {}, n.what), ": ", n.why)))) : null;
}

// What a write is about and which way it goes.
function about(s) {
  const would = s.would || {}, to = would.to || s.to;
  return [s.label && h("strong", {}, s.label), s.label && " ", s.entity && code(s.entity), s.facet && [" ", s.facet], to && [" → ", to]];
}

function stepRow(s) {
  return [[code(s.name), s.stage && [" ", h("small", {}, s.stage)]], s.class === "write" ? null : s.class, badge(tone(s.state), s.state), about(s),
          s.ms === null || s.ms === undefined ? "" : duration(s.ms), s.attempts > 1 ? s.attempts : "",
          s.error ? [h("strong", {}, s.error.code), " ", s.error.message] : ""].filter(c => c !== null);
}

const WRITE_HEADS = ["Step", "State", "About", "Took", "Attempts", "Error"], HEADS = ["Step", "Class", ...WRITE_HEADS.slice(1)];

function steps(doc) {
  const all = list(doc.steps), writes = all.filter(s => s.class === "write");
  const others = all.filter(s => s.class !== "write"), shown = others.slice(-STEPS_SHOWN);
  return [
    writes.length ? section("Writes", table("What it changes, or would", WRITE_HEADS, writes.map(stepRow))) : null,
    others.length ? section("Other steps", fold("steps", `${others.length} that change nothing outside`,
      others.length > shown.length && h("p", {}, `The last ${shown.length} of them; all: lunette show --json`),
      table("Steps", HEADS, shown.map(stepRow)))) : null];
}

function approvals(doc) {
  return list(doc.approvals).length ? section("Approvals", h("ul", { class: "rows" }, list(doc.approvals).map(a =>
    h("li", {}, badge(tone(a.state), a.state), " ", link(way("approvals", a.id), a.title || `question ${a.id}`),
      a.by && [" by ", h("strong", {}, a.by)], a.comment && [": ", a.comment])))) : null;
}

function holds(doc) {
  return list(doc.holds).length ? section("Holds", table("What it holds", ["Entity", "What", "State", "Before", "Since", "Until", "Status"],
    list(doc.holds).map(x => [h("strong", {}, x.entity), x.facet, x.state, x.before || "", when(x.since), x.until ? when(x.until) : "",
                              badge(tone(x.status), x.status)]))) : null;
}

function evidence(doc) {
  return list(doc.evidence).length ? section("Evidence", list(doc.evidence).map((e, i) =>
    fold("evidence" + i, [e.name, ` (${e.bytes} bytes)`], h("p", {}, code("sha256:" + e.sha256)), shape(e.value)))) : null;
}

function remarks(doc) {
  return list(doc.log).length ? section("Log", h("ul", { class: "rows" }, list(doc.log).map(l =>
    h("li", {}, clock(l.at), " ", badge(l.level === "error" ? "bad" : l.level === "warn" ? "warn" : "quiet", l.level || "info"), " ", l.message,
      l.fields && shape(l.fields))))) : null;
}

function head(doc) {
  return facts([
    ["Playbook", doc.playbook], ["State", [badge(tone(doc.state, doc.outcome, doc.waiting && doc.waiting.for), doc.state), doc.outcome && [", ", doc.outcome],
      doc.plan && [" ", badge("quiet", "plan: it changes nothing")]]],
    ["Began", [clock(doc.started), " ", when(doc.started)]], ["Started by", doc.started_by],
    ["Took", lasted(doc, Date.now())], ["Scripts", doc.snapshot && code(doc.snapshot)],
    ["Forked from", doc.forked && link(way("runs", doc.forked.run), code(doc.forked.run))],
    ["Alerts", list(doc.alerts).length ? h("ul", {}, list(doc.alerts).map(a => h("li", {}, h("strong", {}, a.title || a.id), ` from ${a.source}, `,
      when(a.received)))) : null]]);
}

function body(doc) {
  return [doc.error && section("Why it is broken", broken(doc.error)), waiting(doc), stages(doc), findings(doc), steps(doc), notDone(doc),
          approvals(doc), holds(doc), evidence(doc), remarks(doc),
          doc.result !== null && section("Result", fold("result", "What it returned", shape(doc.result))),
          section("Input", fold("input", "What it was given", shape(doc.input)))];
}

// What may be done with it; shown apart, so that nothing that is being typed is lost when the run goes on.
function deeds(app, doc) {
  const why = whyNot(app.session.role, "operator"), ended = ["completed", "failed", "cancelled"].includes(doc.state);
  const undo = plan => async () => {
    location.hash = way("runs", (await send("POST", `/v1/runs/${part(doc.run)}/undo`, { plan })).run);
  };
  return fold("deeds", "What can be done with it",
    h("p", {}, deed("Cancel it", async () => { await send("POST", `/v1/runs/${part(doc.run)}/cancel`); return "it is being cancelled"; },
      { kind: "danger", why: why || (ended ? "It has ended." : null) }), " Stops it; undoes nothing."),
    h("p", {}, deed("Plan an undo", undo(true), { why }), " ", deed("Undo it", undo(false), { kind: "danger", why }),
      " Takes back what it did, last first, where that is still as it was set."));
}

export function run(app, at) {
  const top = h("div"), rest = h("div"), actions = h("div");
  let last = "", ended;                                  // undefined: nothing was drawn yet
  async function first() {
    const doc = await get("/v1/runs/" + part(at.id)), text = JSON.stringify(doc);
    if (!rest.parentNode) app.main.append(top, actions, rest);
    if (text === last) return;
    last = text;
    swap(top, head(doc));
    swap(rest, body(doc));
    if (ended !== doc.finished) swap(actions, deeds(app, doc));
    ended = doc.finished;
  }
  const again = coalesced(first, 800);
  return { title: "Run", heading: ["Run ", code(at.id)], first, again, event: (kind, e) => e.run === at.id && again() };
}
