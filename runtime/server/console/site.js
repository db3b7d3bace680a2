// site.js: what the site has: playbooks and what is wrong with the scripts, what D3FEND says of them, and health.
import { coalesced, get, text } from "./api.js";
import { badge, code, facts, fold, h, link, section, swap, table } from "./dom.js";
import { staleSection } from "./lists.js";
import { list, samples, way } from "./pure.js";

function playbookItem(p) {
  const inputs = Object.entries(p.input || {});
  return h("li", { "data-key": p.name },
    h("p", {}, link(way("runs", null, { playbook: p.name }), h("strong", {}, p.name)), " ", p.stage && badge("quiet", p.stage), " ",
      p.every && badge("busy", "every ", p.every)),
    h("p", {}, p.summary),
    fold("playbook " + p.name, "What it declares",
      facts([["input", inputs.length ? h("ul", {}, inputs.map(([k, v]) => h("li", {}, code(k), ": ", String(v)))) : "none"],
             ["uses", list(p.uses).join(", ") || "nothing outside"], ["ATT&CK", list(p.attack).join(", ")], ["D3FEND", list(p.d3fend).join(", ")]])));
}

export function playbooks(app) {
  const place = h("div");
  async function first() {
    const doc = await get("/v1/playbooks"), rows = list(doc.playbooks);
    if (!place.parentNode) app.main.append(place);
    swap(place, staleSection(doc) || h("p", { class: "none" }, "Every script is used as it is on the disk."),
         section(`Playbooks (${rows.length})`, rows.length ? h("ul", { class: "cards" }, rows.map(playbookItem)) : h("p", { class: "none" }, "There are none.")),
         h("p", {}, "Snapshot ", code(doc.snapshot)));
  }
  const again = coalesced(first, 300);
  return { title: "Playbooks", first, again, event: kind => kind === "library" && again() };
}

export function coverage(app) {
  const place = h("div");
  async function first() {
    const doc = await get("/v1/coverage");
    if (!place.parentNode) app.main.append(place);
    swap(place, h("p", {}, `${doc.covered} of ${doc.total} countermeasures that D3FEND knows against ${doc.attack} are covered.`),
      section("By tactic", table("How many of each tactic", ["Tactic", "Covered", "Of", "Related"],
        list(doc.by_tactic).map(t => [t.tactic, t.covered, t.total, t.related]))),
      section("Countermeasures", table("What covers each", ["Id", "Name", "Tactic", "Covered", "By"], list(doc.countermeasures).map(c =>
        [code(c.id), c.label, c.tactic, c.covered ? badge("good", "covered") : badge("quiet", "not covered"), list(c.playbooks).join(", ")]))),
      list(doc.related).length ? section("Related", table("What D3FEND relates to them; not counted above", ["Id", "Name", "Tactic", "By"],
        list(doc.related).map(c => [code(c.id), c.label, c.tactic, list(c.playbooks).join(", ")]))) : null);
  }
  const again = coalesced(first, 1000);
  return { title: "Coverage", first, again, event: kind => kind === "library" && again() };
}

const RED = { store: "the store cannot be read", frozen: "writes are frozen", scripts: "the newest scripts cannot be used",
              stopping: "the daemon stops" };

/** What is wrong, in words. */
export function ills(health) { return list(health.why).map(w => RED[w] || w); }

function vendors(metrics) {
  const names = [...new Set(metrics.filter(s => s.labels.vendor).map(s => s.labels.vendor))].sort();
  const of = (vendor, name) => metrics.find(s => s.name === name && s.labels.vendor === vendor)?.value ?? "";
  return names.length ? section("Vendors", table("What was asked of each", ["Vendor", "Calls", "Again", "Queued", "On the wire", "Left by its limit", "Breaker"],
    names.map(v => [v, of(v, "lunette_vendor_calls_total"), of(v, "lunette_vendor_retries_total"), of(v, "lunette_vendor_queued"),
      of(v, "lunette_vendor_in_flight"), of(v, "lunette_vendor_limit_remaining"),
      of(v, "lunette_vendor_breaker_open") === 1 ? badge("bad", "open: nobody is let through") : badge("good", "closed")]))) : null;
}

export function health(app) {
  const place = h("div");
  async function first() {
    const [state, metrics] = [await get("/healthz"), samples(await text("/metrics"))];
    const one = (name, labels = {}) => metrics.find(s => s.name === name && Object.entries(labels).every(([k, v]) => s.labels[k] === v))?.value;
    if (!place.parentNode) app.main.append(place);
    swap(place,
      h("p", {}, badge(state.status === "green" ? "good" : "bad", state.status), " ", ills(state).join("; ") || "all is well"),
      section("Counts", facts([["runs under way", one("lunette_runs", { state: "running" })], ["runs that wait", one("lunette_runs", { state: "waiting" })],
        ["questions to people", one("lunette_approvals_waiting")], ["waits that are due", one("lunette_runs_due")],
        ["scripts not used as they are", one("lunette_scripts_stale")], ["transactions of the store", one("lunette_store_commit_seconds_count")]])),
      vendors(metrics));
  }
  const again = coalesced(first, 2000);
  return { title: "Health", first, again, beat: again, event() {} };
}
