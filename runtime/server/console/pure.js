// pure.js: what the console decides without a browser: how texts, times and states are shown, which events change
// what, who may do what.  No document, no network; tests/console/pure_test.mjs goes through it.

/** A list of the API's: what is absent, or an empty table of Lua's (which is {} in JSON), is an empty one. */
export function list(v) { return Array.isArray(v) ? v : []; }

// --- texts of strangers ---------------------------------------------------------------------------------------

// What a reader would not see, or would see somewhere else: controls, joiners, what turns the direction of a line,
// fillers, halves of pairs.
const HIDDEN = new RegExp("[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4"
  + "\\u17b5\\u180b-\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0"
  + "\\ufff0-\\ufffb\\ud800-\\udfff]|[\\u{e0000}-\\u{e0fff}]", "gu");

/** A text as a list of { text } and { mark } ("U+202E"), in order. */
export function pieces(v) {
  const text = String(v), out = [];
  let at = 0;
  for (const m of text.matchAll(HIDDEN)) {
    if (m.index > at) out.push({ text: text.slice(at, m.index) });
    out.push({ mark: "U+" + m[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0") });
    at = m.index + m[0].length;
  }
  if (at < text.length) out.push({ text: text.slice(at) });
  return out;
}

/** The same as one text, for where there are no elements: a title, an attribute. */
export function plain(v) { return pieces(v).map(p => p.text ?? `‹${p.mark}›`).join(""); }

/** At most n characters of a text; never half of one. */
export function cut(v, n) {
  const all = [...String(v)];
  return all.length <= n ? String(v) : all.slice(0, n - 1).join("") + "…";
}

/** A word as a shell takes it, or null: one with controls is not for pasting. */
export function shellWord(v) {
  const word = String(v);
  if (word === "" || pieces(word).some(p => p.mark) || /[\t\n]/.test(word)) return null;
  return /^[\w./:@%+=,#~-]+$/.test(word) && !/^[-#~]/.test(word) ? word : "'" + word.replaceAll("'", "'\\''") + "'";
}

/** An address that a person may follow: https, or null. */
export function safeLink(v) {
  try {
    const url = new URL(v);
    return url.protocol === "https:" && !url.username && !url.password ? url.href : null;
  } catch {
    return null;
  }
}

// --- times ------------------------------------------------------------------------------------------------------

/** Milliseconds as people say them: "8 ms", "3.2 s", "4 min 10 s", "2 h 5 min", "3 d 4 h". */
export function duration(ms) {
  if (!(ms >= 0)) return "";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = Math.floor(ms / 1000), m = Math.floor(s / 60), h = Math.floor(m / 60), d = Math.floor(h / 24);
  if (s < 10) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  const two = (a, b) => b ? `${a} ${b}` : a;
  if (m < 1) return `${s} s`;
  if (h < 1) return two(`${m} min`, s % 60 && `${s % 60} s`);
  if (d < 1) return two(`${h} h`, m % 60 && `${m % 60} min`);
  return two(`${d} d`, h % 24 && `${h % 24} h`);
}

/** How far a time is from now: "2 min ago", "in 45 min"; to the minute, so that it does not change all the time. */
export function distance(iso, now) {
  const ms = Date.parse(iso) - now, far = Math.abs(ms);
  if (Number.isNaN(ms)) return "";
  if (far < 60000) return ms <= 0 ? "just now" : "within a minute";
  const words = duration(far - far % (far < 3600000 ? 60000 : far < 86400000 ? 300000 : 3600000));
  return ms < 0 ? `${words} ago` : `in ${words}`;
}

/** A time as it is written in a log: "2026-11-24 09:58:00Z". */
export function clock(iso) {
  const m = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z$/.exec(iso || "");
  return m ? `${m[1]} ${m[2]}Z` : String(iso ?? "");
}

/** What of a run's time there is to say: how long it took, or has been going. */
export function lasted(run, now) {
  const from = Date.parse(run.started);
  return duration((run.finished ? Date.parse(run.finished) : now) - from);
}

// --- where one is -----------------------------------------------------------------------------------------------

/** "#/runs/01AB?state=failed" → { page, id, query }; what cannot be read is the first page. */
export function route(hash) {
  const [path, query = ""] = (hash || "").replace(/^#/, "").split("?", 2);
  const parts = path.split("/").filter(Boolean);
  try {
    const [page = "now", ...rest] = parts.map(decodeURIComponent);
    return { page, id: rest.join("/") || null, query: Object.fromEntries(new URLSearchParams(query)) };
  } catch {
    return { page: "now", id: null, query: {} };
  }
}

/** The way to a page, without what is empty in the query. */
export function way(page, id, query) {
  const q = String(new URLSearchParams(Object.entries(query || {}).filter(([, v]) => v)));
  return `#/${page}${id ? "/" + encodeURIComponent(id) : ""}${q && "?" + q}`;
}

/** The next page that a Link header leads to, below this API; or null. */
export function nextPage(header) {
  const m = /<(\/v1\/[^>]*)>\s*;\s*rel="next"/.exec(header || "");
  return m ? m[1] : null;
}

// --- who may ----------------------------------------------------------------------------------------------------

const INCLUDES = { viewer: ["viewer"], operator: ["viewer", "operator"], approver: ["viewer", "approver"],
                   admin: ["viewer", "operator", "approver", "admin"] };

export function may(role, needs) { return list(INCLUDES[role]).includes(needs); }

/** Why somebody may not: to be said beside what they cannot do. */
export function whyNot(role, needs) {
  return may(role, needs) ? null
    : `That is for ${needs === "admin" ? "an admin" : `an ${needs} or an admin`}; you are signed in as ${role || "nobody"}.`;
}

// --- states -----------------------------------------------------------------------------------------------------

// What a person has to end; everything else goes on by itself.
export const FOR_PEOPLE = { approval: "waits for an approval", doubt: "is in doubt: did it happen?",
                            restored: "was restored, and waits to be resumed",
                            quarantined: "took the process down three times, and waits to be resumed",
                            interrupted: "was interrupted", frozen: "waits because writes are frozen" };
/** What goes wrong in silence at night: runs that only somebody with a shell can help. */
export const TROUBLE = ["doubt", "quarantined", "restored", "interrupted"];

/** What a run waits for, in words. */
export function waitsFor(word) {
  const others = { timer: "waits for a time", signal: "waits for a signal", run: "waits for another run",
                   lock: "waits for a lock", entity: "waits for its turn", clock: "waits until the clock is believed" };
  return word ? FOR_PEOPLE[word] || others[word] || `waits for ${word}` : "";
}

/** How loud a state is: "good", "bad", "warn", "busy", "quiet". */
export function tone(state, outcome, waiting) {
  if (state === "failed" || state === "refused" || state === "denied") return "bad";
  if (state === "doubt" || TROUBLE.includes(waiting)) return "bad";
  if (state === "waiting" || state === "pending") return waiting in FOR_PEOPLE || !waiting ? "warn" : "busy";
  if (state === "running" || state === "planned") return "busy";
  if (state === "completed") return outcome === "complete" ? "good" : outcome === "nothing" ? "quiet" : "warn";
  if (state === "done" || state === "approved" || state === "unchanged" || state === "joined") return "good";
  return "quiet";
}

const SEVERITIES = ["critical", "high", "medium", "low", "informational", "unknown"];

/** How loud a severity is. */
export function severityTone(word) { return { critical: "bad", high: "bad", medium: "warn" }[word] || "quiet"; }

export function bySeverity(rows) {
  const rank = f => (SEVERITIES.indexOf(f.severity) + 1) || 9;
  return [...list(rows)].sort((a, b) => rank(a) - rank(b));
}

/** What people call the thing that a write is about, and what else it is known as. */
export function named(effect) {
  const entity = String(effect.entity ?? ""), kind = entity.split(":")[1], id = entity.split(":").slice(2).join(":");
  const names = [...new Set(list(effect.names && effect.names[kind]).map(String))].filter(n => n !== id);
  return { name: names[0] || id || entity || "?", others: names.slice(1), entity };
}

/** The two commands that settle a doubt; null where the step's name is not for pasting. */
export function settling(run, step) {
  const word = shellWord(step);
  return word && [`lunette resume ${run} --did ${word}`, `lunette resume ${run} --did-not ${word}`];
}

// --- events -----------------------------------------------------------------------------------------------------

/** A list of runs, newest first, after an event; the same list where it changes nothing.  `wanted(row)`: whether a
 *  run that begins belongs into it. */
export function mergeRun(rows, e, now, wanted = () => true) {
  const at = rows.findIndex(r => r.run === e.run), old = rows[at];
  if (at < 0 && !e.playbook) return rows;
  const ended = e.outcome || e.state === "failed" || e.state === "cancelled";
  const row = { outcome: null, finished: null, started: new Date(now).toISOString(), playbook: e.playbook,
                started_by: e.by ?? "", ...old, run: e.run, state: e.state, for: e.for ?? null };
  if (e.outcome) row.outcome = e.outcome;
  if (ended && !row.finished) row.finished = new Date(now).toISOString();
  if (at >= 0) return rows.map((r, i) => i === at ? row : r);
  if (!wanted(row)) return rows;
  const newer = rows.filter(r => r.run > row.run);
  return [...newer, row, ...rows.slice(newer.length)];
}

/** An event as a line of the feed: { run, what, tone }; null where it is not worth one. */
export function feedLine(kind, e) {
  if (kind === "run") {
    const what = e.playbook && !e.outcome ? `${e.playbook} began${e.by ? `, started by ${e.by}` : ""}`
      : e.state === "waiting" ? waitsFor(e.for) || "waits" : [e.state, e.outcome].filter(Boolean).join(", ");
    return { run: e.run, what, tone: tone(e.state, e.outcome, e.for) };
  }
  if (kind === "stage") {
    return { run: e.run, what: `stage ${e.stage}: ${e.state}${e.why ? ": " + e.why : ""}`, tone: tone(e.state) };
  }
  if (kind === "step" && (e.class === "write" || e.state === "failed") && e.state !== "running") {
    return { run: e.run, what: `${e.op}: ${e.state} (${e.step})`, tone: tone(e.state) };
  }
  if (kind === "approval") {
    const by = e.by ? ` by ${e.by}` : "";
    return { run: e.run, approval: e.state === "waiting" ? e.id : null,
             what: `${e.state === "waiting" ? "asks" : e.state + by}: ${e.title}`, tone: tone(e.state) };
  }
  if (kind === "library") {
    const bad = list(e.stale).map(s => `${s.at}: ${s.why}`);
    return { what: bad.length ? `scripts changed, and cannot be used as they are: ${bad.join("; ")}` : "scripts changed",
             tone: bad.length ? "bad" : "quiet" };
  }
  return null;
}

/** An object as lines { depth, name, text }, for a detail of any shape; bounded. */
export function lines(value, most = 60) {
  const out = [];
  const walk = (v, name, depth) => {
    if (out.length >= most) return;
    if (v === null || typeof v !== "object") {
      out.push({ depth, name, text: v === null ? "none" : cut(v, 2000) });
      return;
    }
    const entries = Array.isArray(v) ? v.map((x, i) => [String(i + 1), x]) : Object.entries(v);
    if (name !== "") out.push({ depth, name, text: entries.length ? null : "none" });
    for (const [k, x] of depth < 6 ? entries : []) walk(x, k, name === "" ? depth : depth + 1);
  };
  walk(value, "", 0);
  if (out.length >= most) out.push({ depth: 0, name: "…", text: "there is more: lunette show --json" });
  return out;
}

/** The samples of an OpenMetrics text: { name, labels, value }. */
export function samples(text) {
  const out = [];
  for (const line of String(text).split("\n")) {
    const m = /^([a-z_]+)(?:\{(.*)\})? (-?[0-9.e+]+)$/.exec(line);
    if (!m) continue;
    const labels = {};
    for (const [, k, v] of (m[2] || "").matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)) labels[k] = v.replace(/\\(.)/g, "$1");
    out.push({ name: m[1], labels, value: Number(m[3]) });
  }
  return out;
}
