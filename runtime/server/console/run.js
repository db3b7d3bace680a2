// run.js: one run, by its document: what it is about, what it did and did not, what it waits for, and why it is broken.
import { coalesced, get, part, send } from "./api.js";
import { badge, code, command, deed, facts, fold, h, item, link, para, section, sectionOf, strong, swap, table,
         when } from "./dom.js";
import { doubt } from "./lists.js";
import { bySeverity, clock, duration, lasted, lines, list, severityTone, tone, waitsFor, way, whyNot } from "./pure.js";

const STEPS_SHOWN = 400;

/** A value of any shape, as lines; what may be too long for its box can be gone through by keyboard. */
export function shape(value) {
  const all = lines(value), long = all.length > 14 || all.some(l => l.text && l.text.length > 800);
  return h("div", { class: "shape", tabindex: long && "0" }, all.map(l =>
    h("div", { class: "depth" + Math.min(l.depth, 6) }, l.name && h("b", {}, l.name), l.name && " ", l.text)));
}

function rows(items) { return h("ul", { class: "rows" }, items); }

function broken(e) {
  return h("div", { class: "problem" }, para(strong(e.code || "failed"), " ", e.message),
           e.at && para("at ", code(e.at)), e.rule && para("by the rule ", code(e.rule)));
}

// Questions and doubts are said in any case: other branches may go on meanwhile, and then the run itself does not wait.
function waiting(doc) {
  const w = doc.waiting, unsure = list(doc.steps).filter(s => s.state === "doubt");
  const asked = list(doc.approvals).filter(a => a.state === "waiting");
  if (!w && !unsure.length && !asked.length) return null;
  return section("What it waits for",
    w && para(badge(tone("waiting", null, w.for), waitsFor(w.for)), w.step && [" at ", code(w.step)],
              w.until && w.for !== "approval" && [", until ", clock(w.until), " (", when(w.until), ")"]),
    asked.map(a => para("Somebody has to decide: ", link(way("approvals", a.id), a.title || `question ${a.id}`),
                        a.expires && [", which ends ", when(a.expires)])),
    unsure.map(s => doubt(doc, s)),
    w && w.next && w.for !== "doubt" && command(w.next));
}

function stage(s) { return item(strong(s.stage), " ", badge(tone(s.state), s.state), s.why && [" ", s.why]); }

function finding(f) {
  const remedy = f.remedy || f.solution;
  return item(badge(severityTone(f.severity), f.severity || "?"), " ", f.title, f.host && [" on ", f.host],
              remedy && [". Remedy: ", remedy]);
}

function undone(n) { return item(badge("warn", n.stage || "not done"), " ", strong(n.what), ": ", n.why); }

// --- steps --------------------------------------------------------------------------------------------------------

const WRITE_HEADS = ["Step", "State", "About", "Took", "Attempts", "Error"];
const HEADS = ["Step", "Class", ...WRITE_HEADS.slice(1)];

// What a write is about and which way it goes.
function about(s) {
  const to = (s.would || {}).to || s.to;
  return [s.label && [strong(s.label), " "], s.entity && code(s.entity), s.facet && [" ", s.facet], to && [" → ", to]];
}

function stepCells(s) {
  const took = s.ms === null || s.ms === undefined ? "" : duration(s.ms);
  return [badge(tone(s.state), s.state), about(s), took, s.attempts > 1 ? s.attempts : "",
          s.error ? [strong(s.error.code), " ", s.error.message] : ""];
}

function stepName(s) { return [code(s.name), s.stage && [" ", h("small", {}, s.stage)]]; }

function steps(doc) {
  const all = list(doc.steps), writes = all.filter(s => s.class === "write");
  const others = all.filter(s => s.class !== "write"), shown = others.slice(-STEPS_SHOWN);
  return [
    sectionOf("Writes", writes, () => table("What it changes, or would", WRITE_HEADS,
      writes.map(s => [stepName(s), ...stepCells(s)]))),
    sectionOf("Other steps", others, () => fold("steps", `${others.length} that change nothing outside`,
      others.length > shown.length && para(`The last ${shown.length} of them; all: lunette show --json`),
      table("Steps", HEADS, shown.map(s => [stepName(s), s.class, ...stepCells(s)]))))];
}

// --- what else its document says ----------------------------------------------------------------------------------

function answered(a) {
  return item(badge(tone(a.state), a.state), " ", link(way("approvals", a.id), a.title || `question ${a.id}`),
              a.by && [" by ", strong(a.by)], a.comment && [": ", a.comment]);
}

const HOLD_HEADS = ["Entity", "What", "State", "Before", "Since", "Until", "Status"];

function holdCells(x) {
  return [strong(x.entity), x.facet, x.state, x.before || "", when(x.since), when(x.until), badge(tone(x.status), x.status)];
}

function evidence(e, i) {
  return fold("evidence" + i, [e.name, ` (${e.bytes} bytes)`], para(code("sha256:" + e.sha256)), shape(e.value));
}

function remark(l) {
  const loud = { error: "bad", warn: "warn" }[l.level] || "quiet";
  return item(clock(l.at), " ", badge(loud, l.level || "info"), " ", l.message, l.fields && shape(l.fields));
}

function alert(a) { return item(strong(a.title || a.id), ` from ${a.source}, `, when(a.received)); }

function head(doc) {
  const alerts = list(doc.alerts), state = badge(tone(doc.state, doc.outcome, doc.waiting && doc.waiting.for), doc.state);
  return facts([
    ["Playbook", doc.playbook],
    ["State", [state, doc.outcome && [", ", doc.outcome], doc.plan && [" ", badge("quiet", "plan: it changes nothing")]]],
    ["Began", [clock(doc.started), " ", when(doc.started)]],
    ["Started by", doc.started_by],
    ["Took", lasted(doc, Date.now())],
    ["Scripts", doc.snapshot && code(doc.snapshot)],
    ["Forked from", doc.forked && link(way("runs", doc.forked.run), code(doc.forked.run))],
    ["Alerts", alerts.length ? h("ul", {}, alerts.map(alert)) : null]]);
}

function body(doc) {
  return [
    doc.error && section("Why it is broken", broken(doc.error)),
    waiting(doc),
    sectionOf("Stages", doc.stages, all => h("ol", { class: "stages" }, all.map(stage))),
    sectionOf("Found", doc.found, all => rows(bySeverity(all).map(finding))),
    steps(doc),
    sectionOf("Not done", doc.not_done, all => rows(all.map(undone))),
    sectionOf("Approvals", doc.approvals, all => rows(all.map(answered))),
    sectionOf("Holds", doc.holds, all => table("What it holds", HOLD_HEADS, all.map(holdCells))),
    sectionOf("Evidence", doc.evidence, all => all.map(evidence)),
    sectionOf("Log", doc.log, all => rows(all.map(remark))),
    doc.result !== null && section("Result", fold("result", "What it returned", shape(doc.result))),
    section("Input", fold("input", "What it was given", shape(doc.input)))];
}

// What may be done with it; shown apart, so that nothing that is being done is lost when the run goes on.
function deeds(app, doc) {
  const why = whyNot(app.session.role, "operator"), at = `/v1/runs/${part(doc.run)}/`;
  const cancel = async () => {
    await send("POST", at + "cancel");
    return "it is being cancelled";
  };
  const undo = plan => async () => { location.hash = way("runs", (await send("POST", at + "undo", { plan })).run); };
  return fold("deeds", "What can be done with it",
    para(deed("Cancel it", cancel, { kind: "danger", why: why || (doc.finished ? "It has ended." : null) }),
         " Stops it; undoes nothing."),
    para(deed("Plan an undo", undo(true), { why }), " ", deed("Undo it", undo(false), { kind: "danger", why }),
         " Takes back what it did, last first, where that is still as it was set."));
}

export function run(app, at) {
  const top = h("div"), rest = h("div"), actions = h("div");
  let last = "", turn = 0, ended;                        // undefined: nothing was drawn yet
  async function first() {
    const mine = ++turn, doc = await get("/v1/runs/" + part(at.id)), text = JSON.stringify(doc);
    if (mine !== turn) return;                           // a later answer came first
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
