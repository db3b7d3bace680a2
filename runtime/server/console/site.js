// site.js: what the site has: playbooks and what is wrong with the scripts, what D3FEND says of them, and health.
import { coalesced, get, text } from "./api.js";
import { badge, code, facts, fold, h, item, link, none, para, section, sectionOf, strong, swap, table } from "./dom.js";
import { staleSection } from "./lists.js";
import { list, samples, way } from "./pure.js";

// --- playbooks ----------------------------------------------------------------------------------------------------

function playbook(p) {
  const inputs = Object.entries(p.input || {}).map(([k, v]) => item(code(k), ": ", String(v)));
  return h("li", { "data-key": p.name },
    para(link(way("runs", null, { playbook: p.name }), strong(p.name)), " ", p.stage && badge("quiet", p.stage), " ",
         p.every && badge("busy", "every ", p.every)),
    para(p.summary),
    fold("playbook " + p.name, "What it declares", facts([
      ["input", inputs.length ? h("ul", {}, inputs) : "none"], ["uses", list(p.uses).join(", ") || "nothing outside"],
      ["ATT&CK", list(p.attack).join(", ")], ["D3FEND", list(p.d3fend).join(", ")]])));
}

export function playbooks(app) {
  const place = h("div");
  async function first() {
    const doc = await get("/v1/playbooks"), all = list(doc.playbooks);
    if (!place.parentNode) app.main.append(place);
    swap(place, staleSection(doc) || none("Every script is used as it is on the disk."),
         section(`Playbooks (${all.length})`,
                 all.length ? h("ul", { class: "cards" }, all.map(playbook)) : none("There are none.")),
         para("Snapshot ", code(doc.snapshot)));
  }
  const again = coalesced(first, 300);
  return { title: "Playbooks", first, again, event: kind => kind === "library" && again() };
}

// --- coverage -----------------------------------------------------------------------------------------------------

function countermeasure(c) {
  return [code(c.id), c.label, c.tactic, c.covered ? badge("good", "covered") : badge("quiet", "not covered"),
          list(c.playbooks).join(", ")];
}

export function coverage(app) {
  const place = h("div");
  async function first() {
    const doc = await get("/v1/coverage");
    if (!place.parentNode) app.main.append(place);
    swap(place,
      para(`${doc.covered} of ${doc.total} countermeasures that D3FEND knows against ${doc.attack} are covered.`),
      section("By tactic", table("How many of each tactic", ["Tactic", "Covered", "Of", "Related"],
        list(doc.by_tactic).map(t => [t.tactic, t.covered, t.total, t.related]))),
      section("Countermeasures", table("What covers each", ["Id", "Name", "Tactic", "Covered", "By"],
        list(doc.countermeasures).map(countermeasure))),
      sectionOf("Related", doc.related, all => table("What D3FEND relates to them; not counted above",
        ["Id", "Name", "Tactic", "By"], all.map(c => [code(c.id), c.label, c.tactic, list(c.playbooks).join(", ")]))));
  }
  const again = coalesced(first, 1000);
  return { title: "Coverage", first, again, event: kind => kind === "library" && again() };
}

// --- health -------------------------------------------------------------------------------------------------------

const RED = { store: "the store cannot be read", frozen: "writes are frozen",
              scripts: "the newest scripts cannot be used", stopping: "the daemon stops" };

/** What is wrong, in words. */
export function ills(doc) { return list(doc.why).map(w => RED[w] || w); }

const VENDOR_HEADS = ["Vendor", "Calls", "Again", "Queued", "On the wire", "Left by its limit", "Breaker"];
const VENDOR_COUNTS = ["calls_total", "retries_total", "queued", "in_flight", "limit_remaining"];

function vendors(metrics) {
  const names = [...new Set(metrics.map(s => s.labels.vendor).filter(Boolean))].sort();
  const of = (vendor, name) => metrics.find(s => s.name === "lunette_vendor_" + name && s.labels.vendor === vendor)?.value ?? "";
  const breaker = v => of(v, "breaker_open") === 1 ? badge("bad", "open: nobody is let through") : badge("good", "closed");
  return sectionOf("Vendors", names, () => table("What was asked of each", VENDOR_HEADS,
    names.map(v => [v, ...VENDOR_COUNTS.map(name => of(v, name)), breaker(v)])));
}

const COUNTS = [["runs under way", "runs", "running"], ["runs that wait", "runs", "waiting"],
                ["questions to people", "approvals_waiting"], ["waits that are due", "runs_due"],
                ["scripts not used as they are", "scripts_stale"], ["transactions of the store", "store_commit_seconds_count"]];

export function health(app) {
  const place = h("div");
  async function first() {
    const state = await get("/healthz"), metrics = samples(await text("/metrics"));
    const count = (name, of) => metrics.find(s => s.name === "lunette_" + name && s.labels.state === of)?.value;
    if (!place.parentNode) app.main.append(place);
    swap(place,
      para(badge(state.status === "green" ? "good" : "bad", state.status), " ", ills(state).join("; ") || "all is well"),
      section("Counts", facts(COUNTS.map(([words, name, of]) => [words, count(name, of)]))),
      vendors(metrics));
  }
  const again = coalesced(first, 2000);
  return { title: "Health", first, again, beat: again, event() {} };
}
