// lists.js: what is, in lists: what wants a person now, runs, alerts, and what is held.
import { coalesced, get, look, part, send } from "./api.js";
import { badge, code, command, deed, facts, faint, fold, h, item, link, none, para, section, strong, swap,
         table, when } from "./dom.js";
import { FOR_PEOPLE, TROUBLE, cut, feedLine, lasted, list, mergeRun, named, safeLink, settling, severityTone, tone, waitsFor,
         way, whyNot } from "./pure.js";

/** How many runs in trouble are looked for at once. */
export const TROUBLE_MOST = 20;
const PAGE = 100, FEED_MOST = 60, SHOWN_DOUBTS = 5;

export function stateBadge(run) {
  const rest = run.outcome && run.outcome !== "complete" ? `, ${run.outcome}` : "";
  return badge(tone(run.state, run.outcome, run.for), run.state, rest);
}

function runLink(id, text) { return link(way("runs", id), text || code(id)); }

function queryOf(wanted) {
  const q = new URLSearchParams(Object.entries(wanted).filter(([, v]) => v));
  q.set("limit", PAGE);
  return q;
}

// Where the link to the next page goes on from.
function cursorOf(next, name) { return next && new URLSearchParams(next.split("?")[1]).get(name); }

function pager(page, query, name, at) {
  const first = { ...query, [name]: "" };
  if (!at && !query[name]) return null;
  return h("nav", { class: "pager", "aria-label": "pages" },
           query[name] && link(way(page, null, first), "First page"),
           at && link(way(page, null, { ...query, [name]: at }), "Next page"));
}

function option(value, text, chosen) { return h("option", { value, selected: value === (chosen || "") }, text); }

// A form whose fields are the query of a page.
function filter(page, query, fields) {
  const go = e => {
    e.preventDefault();
    location.hash = way(page, null, Object.fromEntries(new FormData(e.target)));
  };
  return h("form", { class: "filter", role: "search", on: { submit: go, change: e => e.currentTarget.requestSubmit() } },
           fields.map(([name, label, choices]) => h("label", {}, label, choices
             ? h("select", { name }, choices.map(([value, text]) => option(value, text, query[name])))
             : h("input", { name, value: query[name] || "", autocomplete: "off", spellcheck: "false" }))),
           h("button", { type: "submit" }, "Show"));
}

// --- now ----------------------------------------------------------------------------------------------------------

// What is not known of one run: which steps, and what settles each.
async function doubts(run) {
  const doc = await get("/v1/runs/" + part(run.run));
  return list(doc.steps).filter(s => s.state === "doubt").map(s => doubt(doc, s));
}

function outward(to) { return h("a", { href: to, rel: "noopener noreferrer", target: "_blank" }, to); }

/** A step in doubt: what is known, where to look, and the two commands. */
export function doubt(doc, s) {
  const d = s.doubt || {}, console_ = safeLink(d.console), commands = settling(doc.run, s.name);
  return h("div", { class: "doubt" },
           para(strong(s.op), " on ", s.label || s.entity || s.name, s.facet && [", ", s.facet], ": ",
             d.why || "it may have happened"),
           d.since && faint("Since ", when(new Date(d.since).toISOString())),
           console_ ? para("Look in the vendor's console: ", outward(console_)) : d.console && para("Look at: ", d.console),
           commands ? commands.map(command) : para("Its name cannot be pasted: ", code(`lunette resume ${doc.run} --did`)));
}

async function troubles(app) {
  const rows = await Promise.all(app.trouble.map(async (r, i) => h("li", { "data-key": r.run },
    para(stateBadge(r), " ", runLink(r.run), " ", r.playbook, " ", waitsFor(r.for)),
    r.for === "doubt" && i < SHOWN_DOUBTS ? await doubts(r)
      : r.for !== "doubt" && command(`lunette resume ${r.run}`))));
  const failed = (await look("/v1/runs?state=failed&limit=5")).doc;
  const lost = list(failed.runs).map(r => h("li", { "data-key": r.run },
    stateBadge(r), " ", runLink(r.run), " ", r.playbook, " ", when(r.finished)));
  return section("In doubt, or failed",
    rows.length ? h("ul", { class: "cards bad" }, rows) : none("Nothing is in doubt."),
    app.trouble.length === TROUBLE_MOST && para(link(way("runs", null, { for: TROUBLE.join(",") }), "There may be more")),
    lost.length ? [h("h3", {}, "The last that failed"), h("ul", { class: "rows" }, lost)] : null);
}

// What waits for whoever looks on; who may not decide sees how much waits for others.
async function forMe(app) {
  const why = whyNot(app.session.role, "approver");
  if (why) {
    const { doc } = await look("/v1/runs?for=approval&limit=20");
    const rows = list(doc.runs).map(r => item(runLink(r.run), " ", r.playbook, " ", when(r.started)));
    return section("Waits for an approval", faint(why),
                   rows.length ? h("ul", { class: "rows" }, rows) : none("No run waits for nothing but an approval."));
  }
  const asked = list(app.approvals);
  return section("Waits for you", asked.length
    ? h("ul", { class: "cards warn" }, asked.slice(0, 10).map(a => h("li", { "data-key": a.id },
        para(link(way("approvals", a.id), strong(a.title || `question ${a.id}`))),
        para(list(a.effects).slice(0, 4).map(e => [badge("warn", e.op), " ", named(e).name, " "]),
          a.expires && h("span", { class: "why" }, "ends ", when(a.expires))))))
    : none("Nothing waits for you."),
    asked.length > 10 && para(link("#/approvals", `All ${asked.length}`)));
}

function feedItem(line, at) {
  return item(when(at), " ", badge(line.tone, line.what), " ",
           line.run && link(way("runs", line.run), code(line.run)), " ",
           line.approval && link(way("approvals", line.approval), "decide"));
}

export function now(app) {
  const mine = h("div"), trouble = h("div"), scripts = h("div"), feed = h("ol", { class: "feed" });
  const again = coalesced(async () => swap(trouble, await troubles(app)), 1500);
  const stale = coalesced(async () => swap(scripts, staleSection(await get("/v1/playbooks"))), 300);
  async function first() {
    const decides = whyNot(app.session.role, "approver") === null;
    app.main.append(...(decides ? [mine, trouble] : [trouble, mine]), scripts, section("Just happened", feed));
    swap(mine, await forMe(app));
    swap(trouble, await troubles(app));
    const { doc } = await look("/v1/runs?limit=12");
    const lines = list(doc.runs).map(r => feedItem({ run: r.run, tone: tone(r.state, r.outcome, r.for),
      what: `${r.playbook}: ${r.state === "waiting" ? waitsFor(r.for) : [r.state, r.outcome].filter(Boolean).join(", ")}` },
      r.finished || r.started));
    feed.append(...lines);
    stale();
  }
  return {
    title: "Now", first, again,
    approvals: async () => swap(mine, await forMe(app)),
    troubles: again,
    event(kind, e) {
      const line = feedLine(kind, e);
      if (line) feed.prepend(feedItem(line, new Date().toISOString()));
      while (feed.childElementCount > FEED_MOST) feed.lastElementChild.remove();
      if (kind === "run" && e.state === "failed") again();
      if (kind === "library") stale();
    },
  };
}

/** Scripts that are not used as they are on the disk: where and why; nothing when all are. */
export function staleSection(doc) {
  const rows = list(doc.stale);
  if (!rows.length) return null;
  return section("Scripts that are not used as they are on the disk", h("ul", { class: "cards bad" }, rows.map(s =>
    h("li", { "data-key": s.module },
      para(strong(s.module), ", since ", when(s.since), ": ",
        s.last_good ? "the last good version is used" : badge("bad", "there is no good version: it cannot be started")),
      h("pre", {}, `${s.at}: ${s.why}`)))));
}

// --- runs ---------------------------------------------------------------------------------------------------------

const STATES = [["", "any"], ...["running", "waiting", "completed", "failed", "cancelled"].map(s => [s, s])];
const WAITS = [["", "anything"], [TROUBLE.join(","), "somebody with a shell"],
               ...[...Object.keys(FOR_PEOPLE), "timer", "signal", "run", "lock", "entity", "clock"].map(w => [w, w])];

const RUN_HEADS = ["Run", "Playbook", "State", "Waits for", "Began", "Started by", "Took"];
const RUN_FIELDS = [["state", "State", STATES], ["playbook", "Playbook"], ["for", "Waits for", WAITS]];

function runRow(r) {
  return { key: r.run, cells: [runLink(r.run), r.playbook, stateBadge(r), waitsFor(r.for), when(r.started),
                               r.started_by || "", lasted(r, Date.now())] };
}

export function runs(app, at) {
  const place = h("div", { "aria-live": "off" });
  const query = { state: at.query.state, playbook: at.query.playbook, for: at.query.for, before: at.query.before };
  let rows = [], next = null;
  const fits = r => !query.before && (!query.state || r.state === query.state)
                    && (!query.playbook || r.playbook === query.playbook)
                    && (!query.for || query.for.split(",").includes(r.for));
  function draw() {
    swap(place, rows.length
      ? table("Runs, newest first", RUN_HEADS, rows.map(runRow))
      : none(next ? "None among those that were looked at: the next page looks further." : "There are none."),
      pager("runs", query, "before", rows.length === PAGE ? rows[PAGE - 1].run : cursorOf(next, "before")));
  }
  const redraw = coalesced(async () => draw(), 250);
  async function first() {
    ({ doc: { runs: rows }, next } = await look("/v1/runs?" + queryOf(query)));
    rows = list(rows);
    if (!place.parentNode) app.main.append(filter("runs", query, RUN_FIELDS), place);
    draw();
  }
  return {
    title: "Runs", first, again: coalesced(first, 1000),
    event(kind, e) {
      if (kind !== "run") return;
      const merged = mergeRun(rows, e, Date.now(), fits);
      if (merged === rows) return;
      rows = merged.filter(r => r.run !== e.run || fits(r) || query.before).slice(0, PAGE);
      redraw();
    },
  };
}

// --- alerts -------------------------------------------------------------------------------------------------------

const BECAME = { missed: "was missed: its `on` failed", paused: "is held back, and asks" };

function became(r) {
  return item(r.playbook, " ", BECAME[r.what] || r.what, " ", r.run && runLink(r.run), " ",
           r.approval && link(way("approvals", r.approval), `question ${r.approval}`), r.why && [": ", r.why]);
}

function alertCard(a) {
  const kept = a.state === "kept";
  return h("li", { "data-key": a.alert },
    para(kept ? badge("warn", "kept, in no known format") : badge(severityTone(a.severity), a.severity || "?"),
         " ", strong(a.title || cut(a.id, 80))),
    facts([["from", a.source], ["id", code(a.id)], ["came", when(a.received)], ["by", a.by], ["why", a.why]]),
    list(a.runs).length ? h("ul", {}, list(a.runs).map(became))
      : none(kept ? "Nothing was started: no adapter knows it."
             : a.state === "new" ? "It is being decided." : "It started nothing."));
}

export function alerts(app, at) {
  const place = h("div"), query = { state: at.query.state, before: at.query.before };
  const states = [["", "any"], ["new", "not decided yet"], ["decided", "decided"], ["kept", "kept, in no known format"]];
  async function first() {
    const { doc, next } = await look("/v1/alerts?" + queryOf(query)), rows = list(doc.alerts);
    if (!place.parentNode) app.main.append(filter("alerts", query, [["state", "State", states]]), place);
    swap(place, rows.length ? h("ul", { class: "cards" }, rows.map(alertCard)) : none("There are none."),
         pager("alerts", query, "before", cursorOf(next, "before")));
  }
  const again = coalesced(first, 1000);
  return { title: "Alerts", first, again, beat: again, event: (kind, e) => kind === "run" && e.playbook && again() };
}

// --- what is held -------------------------------------------------------------------------------------------------

function keyOf(hold) { return part([hold.entity, hold.facet, hold.run, hold.step].join(" ")); }

function letGo(app, hold, again) {
  const why = whyNot(app.session.role, "operator"), id = "why-" + keyOf(hold);
  const reason = h("input", { id, autocomplete: "off", maxlength: "500", disabled: why !== null });
  const ask = plan => async () => {
    if (!reason.value.trim()) throw new Error("say why, for the record");
    const made = await send("POST", `/v1/entities/${part(hold.entity)}/release`, { why: reason.value.trim(), plan });
    if (!plan) again();
    location.hash = way("runs", made.run);
  };
  return fold(`release ${id}`, "Release…",
    para("Every hold on this entity is lifted, where it is still as Lunette set it."),
    h("label", { for: id }, "Why"), reason, deed("Only plan", ask(true), { why: why && "" }),
    deed("Release", ask(false), { kind: "danger", why }));
}

export function held(app, at) {
  const place = h("div"), query = { entity: at.query.entity, kind: at.query.kind, after: at.query.after };
  const forms = new Map();                               // what is being typed stays when the list is drawn anew
  function form(x) {
    const key = keyOf(x);
    if (!forms.has(key)) forms.set(key, letGo(app, x, again));
    return forms.get(key);
  }
  const cells = x => [strong(x.entity), x.facet, [x.state, " ", x.status !== "held" && badge(tone(x.status), x.status)],
                      x.before || "not known", when(x.since), x.until ? when(x.until) : "until it is released",
                      runLink(x.run), form(x)];
  async function first() {
    const { doc, next } = await look("/v1/entities?" + queryOf(query)), rows = list(doc.entities);
    if (!place.parentNode) app.main.append(filter("held", query, [["entity", "Entity"], ["kind", "Kind"]]), place);
    swap(place, rows.length
      ? table("What Lunette holds", ["Entity", "What", "State", "Before", "Since", "Until", "By run", "Release"], rows.map(cells))
      : none("Nothing is held."),
      pager("held", query, "after", cursorOf(next, "after")));
  }
  const again = coalesced(first, 1500);
  const ended = e => e.outcome || e.state === "cancelled";
  return { title: "Held", first, again, event: (kind, e) => kind === "run" && ended(e) && again() };
}

