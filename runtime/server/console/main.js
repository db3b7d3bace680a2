// main.js: the console's frame: who is signed in, which page is shown, and what the events mean for all pages.
import { Problem, coalesced, get, listen, onSignedOut, send } from "./api.js";
import { badge, deed, faint, h, link, none, para, problem, refreshTimes, strong, swap } from "./dom.js";
import { TROUBLE_MOST, alerts, held, now, runs } from "./lists.js";
import { approval, approvals, freeze, frozenList } from "./people.js";
import { TROUBLE, list, may, plain, route, way } from "./pure.js";
import { run } from "./run.js";
import { coverage, health, ills, playbooks } from "./site.js";

const BEAT_MS = 30000;
const PAGES = { now, runs, alerts, held, playbooks, coverage, health, freeze,
                approvals: (app, at) => at.id ? approval(app, at) : approvals(app) };
const NAV = ["Now", "Runs", "Approvals", "Alerts", "Held", "Playbooks", "Coverage", "Freeze", "Health"];

const main = document.getElementById("main"), nav = document.getElementById("nav"), who = document.getElementById("who");
const banner = document.getElementById("banner"), live = document.getElementById("live");

const app = { session: null, approvals: [], frozen: [], health: null, trouble: [] };
let page = null, stream = null, turn = 0;

// --- what is the same on all pages ----------------------------------------------------------------------------------

function drawNav() {
  if (!app.session) return;                              // an answer may come after signing out
  const at = route(location.hash).page, waiting = app.approvals.length;
  const marks = { now: app.trouble.length, approvals: waiting, freeze: app.frozen.length,
                  health: app.health && app.health.status !== "green" && app.health.status };
  if (!nav.childElementCount) nav.append(...NAV.map(label => h("a", { href: way(label.toLowerCase()) }, label, " ", h("span"))));
  for (const a of nav.children) {                        // in place: one of them may have the focus
    const name = a.hash.slice(2), mark = String(marks[name] || "");
    if (at === name) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
    if (a.lastChild.textContent !== mark) a.lastChild.replaceChildren(...(mark ? [badge("bad", mark)] : []));
  }
  document.title = plain(`${waiting ? `(${waiting}) ` : ""}${page ? page.title + " · " : ""}Lunette`);
}

let said = "";                                          // what the banner says: read out only when it is another

function drawBanner() {
  if (!app.session) return;
  const parts = [], told = page?.title === "Freeze";     // that page says it itself
  const saying = JSON.stringify([told ? [] : app.frozen, app.health && app.health.why]);
  if (saying === said) return;
  said = saying;
  if (app.frozen.length && !told) parts.push(h("h2", {}, "Writes are frozen"), frozenList(app, app.frozen));
  const other = app.health ? ills({ why: list(app.health.why).filter(w => w !== "frozen") }) : [];
  if (other.length) parts.push(para(badge("bad", "red"), " ", other.join("; "), ". ", link("#/health", "Health")));
  swap(banner, parts);
}

async function lookAtFreezes() { app.froze((await get("/v1/freeze")).frozen); }

async function lookAtHealth() {
  app.health = await get("/healthz");
  if (list(app.health.why).includes("frozen") !== app.frozen.length > 0) await lookAtFreezes();
  drawNav();
  drawBanner();
}

async function lookAtApprovals() {
  if (!may(app.session?.role, "approver")) return;
  app.approvals = list((await get("/v1/approvals?limit=500")).approvals);
  drawNav();
  await page?.approvals?.();
}

async function lookAtTrouble() {
  app.trouble = list((await get(`/v1/runs?for=${TROUBLE.join(",")}&limit=${TROUBLE_MOST}`)).runs);
  drawNav();
  page?.troubles?.();
}

// What the frame cannot have now it asks for again with the next event; a page says what it cannot have.
function quietly(fn) { return fn().catch(error => { if (!(error instanceof Problem)) throw error; }); }

app.froze = frozen => {
  if (JSON.stringify(frozen) === JSON.stringify(app.frozen)) return;
  app.frozen = frozen;
  drawNav();
  drawBanner();
  page?.frozen?.();
};
const freezesAgain = coalesced(lookAtFreezes), healthAgain = coalesced(lookAtHealth);
const troubleAgain = coalesced(lookAtTrouble, 1500);
app.approvalsChanged = coalesced(lookAtApprovals);

// --- events -----------------------------------------------------------------------------------------------------------

function onEvent(kind, e) {
  if (kind === "open") live.replaceChildren(badge("good", "live"));
  if (kind === "closed" || kind === "bye") live.replaceChildren(badge("warn", "not live: it comes back by itself"));
  if (kind === "approval" || kind === "reset" || kind === "open") app.approvalsChanged();
  if (kind === "library" || kind === "open") healthAgain();
  if (kind === "open" || kind === "reset" || (kind === "run" && (TROUBLE.includes(e.for) || app.trouble.length))) troubleAgain();
  if (kind === "reset" || (kind === "run" && e.for === "frozen")) freezesAgain();
  if (kind === "closed") freezesAgain();                 // which finds out whether it was the session that ended
  if (kind === "reset" || (kind === "open" && stream?.opened)) page?.again();
  if (kind === "open" && stream) stream.opened = true;
  page?.event(kind, e);
}

// Health, the kill switch, and a question whose time is over have no events; nobody looks at a page that is not seen.
function beat() {
  if (!app.session || document.hidden) return;
  healthAgain();
  freezesAgain();
  app.approvalsChanged();
  page?.beat?.();
  refreshTimes();
}

// --- pages ------------------------------------------------------------------------------------------------------------

async function show() {
  const at = route(location.hash), mine = ++turn, part = h("div");
  if (!app.session) return;
  const make = at.page === "runs" && at.id ? run : PAGES[at.page];
  main.replaceChildren(none("…"));
  page = null;
  if (!make) main.replaceChildren(para("There is no such page. ", link("#/now", "Now")));
  else {
    const next = make(Object.create(app, { main: { value: part } }), at);
    page = next;                                         // what happens while it is fetched counts, too
    try {
      await next.first();
    } catch (error) {
      part.append(problem(error));
    }
    if (mine !== turn) return;                           // another page was asked for meanwhile
    main.replaceChildren(h("h1", { tabindex: "-1", id: "title" }, next.heading || next.title), part);
    document.getElementById("title").focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  drawNav();
  drawBanner();
}

// --- signing in -------------------------------------------------------------------------------------------------------

function drawWho() {
  const s = app.session;
  who.replaceChildren(...(s ? [h("span", {}, strong(s.who), " ", badge("quiet", s.role)),
    deed("Sign out", async () => { await send("DELETE", "/v1/session"); leave(); })] : []));
}

function leave() {
  stream?.stop();
  stream = page = null;
  app.session = null;
  app.approvals = app.frozen = app.trouble = [];
  app.health = null;
  said = "";
  turn++;
  nav.replaceChildren();
  banner.replaceChildren();
  live.replaceChildren();
  drawWho();
  drawSignIn();
}

// The way back here after the provider; a fragment does not reach the server by itself.
function wayBack() { return "/v1/signin/oidc?return=" + encodeURIComponent("/" + location.hash); }

async function drawSignIn(error) {
  const ways = await get("/v1/signin").catch(() => ({ oidc: false }));
  const token = h("input", { id: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true });
  const why = h("div", {}, error && problem(error));
  const enter = async e => {
    e.preventDefault();
    try {
      await send("POST", "/v1/session", { token: token.value.trim() });
      await begin();
    } catch (refused) {
      swap(why, problem(refused));
      token.select();
    }
  };
  document.title = "Sign in · Lunette";
  main.replaceChildren(h("form", { class: "signin", on: { submit: enter } },
    h("h1", {}, "Sign in"),
    ways.oidc && para(h("a", { class: "button", href: wayBack() }, "Sign in with ", ways.name || "your account")),
    h("label", { for: "token" }, "API token"), token, h("button", { type: "submit" }, "Sign in"), why,
    faint("A token is made by: lunette token add NAME --role ROLE")));
  token.focus();
}

async function begin() {
  app.session = await get("/v1/session");
  drawWho();
  stream = listen(onEvent);
  await Promise.all([quietly(lookAtFreezes), quietly(lookAtApprovals), quietly(lookAtHealth), quietly(lookAtTrouble)]);
  await show();
}

onSignedOut(() => { if (app.session) leave(); });
addEventListener("hashchange", show);
document.addEventListener("visibilitychange", beat);
setInterval(beat, BEAT_MS);
begin().catch(error => drawSignIn(error.status === 401 ? null : error));
