// people.js: what people decide: questions and their answers, and the kill switch.
import { coalesced, get, part, send } from "./api.js";
import { badge, code, deed, facts, faint, h, link, none, para, section, strong, swap, when } from "./dom.js";
import { shape } from "./run.js";
import { list, named, tone, way, whyNot } from "./pure.js";

// --- questions ----------------------------------------------------------------------------------------------------

// Who or what, which way, and by which operation: what somebody answers for.
function effect(e) {
  const who = named(e), user = e.names && list(e.names.user)[0];
  return h("li", {},
    para(badge("warn", e.op), " ", strong(who.name), e.facet && [", ", e.facet], ": ", e.from && [e.from, " "], "→ ",
         strong(e.to || "?")),
    facts([["user", who.entity.includes(":user:") ? null : user], ["also known as", who.others.join(", ") || null],
           ["role", e.names && e.names.role], ["entity", code(who.entity)]]));
}

const AFTERWARDS = "If nobody answers, nothing is done.";

function answers(app, q, done) {
  const why = whyNot(app.session.role, "approver"), id = "comment-" + q.id;
  const comment = h("input", { id, autocomplete: "off", maxlength: "2000", disabled: why !== null });
  const answer = (decision, words) => async () => {
    const body = { decision, comment: comment.value };
    if (words) body.answer = words();
    const now = await send("POST", "/v1/approvals/" + part(q.id), body);
    done();
    return `it is ${now.state}`;
  };
  const word = h("input", { id: "answer-" + q.id, autocomplete: "off", maxlength: "2000", disabled: why !== null });
  const good = { kind: "good", why: why && "" };
  const yes = q.kind !== "ask" ? deed("Approve", answer("approve"), good)
    : list(q.options).length ? list(q.options).map(o => deed(String(o), answer("approve", () => String(o)), good))
    : [h("label", { for: word.id }, "Answer"), word, deed("Answer", answer("approve", () => word.value), good)];
  return h("div", { class: "answers" }, h("label", { for: id }, "Comment, for the record"), comment, yes,
           deed("Deny", answer("deny"), { kind: "danger", why }));
}

/** A question, with what it is about and how it is answered. */
function question(app, q, done) {
  const waits = q.state === "waiting";
  return h("article", { class: "card warn", "data-key": q.id, "aria-labelledby": "title-" + q.id },
    h("h2", { id: "title-" + q.id }, link(way("approvals", q.id), q.title || `question ${q.id}`)),
    !waits && para(badge(tone(q.state), q.state), " It waits no more."),
    list(q.effects).length ? h("ul", { class: "effects" }, list(q.effects).map(effect)) : null,
    q.detail !== null && shape(q.detail),
    facts([["ends", waits && q.expires ? [when(q.expires), ". ", AFTERWARDS] : null],
           ["run", q.run && link(way("runs", q.run), code(q.run))], ["step", q.step && code(q.step)],
           ["digest", q.digest && code(q.digest)]]),
    waits && answers(app, q, done));
}

export function approvals(app) {
  const place = h("div"), cards = new Map();
  const refused = whyNot(app.session.role, "approver");
  function draw() {
    if (refused) {
      swap(place, faint(refused), para(link(way("runs", null, { for: "approval" }), "Runs that wait for an approval")));
      return;
    }
    const asked = list(app.approvals);
    for (const id of cards.keys()) if (!asked.some(q => q.id === id)) cards.get(id).remove(), cards.delete(id);
    for (const q of asked) if (!cards.has(q.id)) cards.set(q.id, question(app, q, app.approvalsChanged));
    if (!asked.length) swap(place, none("Nothing waits for you."));
    else {
      for (const e of [...place.children]) if (![...cards.values()].includes(e)) e.remove();
      place.append(...asked.map(q => cards.get(q.id)).filter(c => !c.isConnected));
    }
  }
  async function first() {
    app.main.append(place);
    draw();
  }
  return { title: "Approvals", first, again: draw, approvals: draw, event() {} };
}

export function approval(app, at) {
  const place = h("div"), refused = whyNot(app.session.role, "approver");
  let state = null;
  async function first() {
    if (!place.parentNode) app.main.append(para(link("#/approvals", "All that wait")), place);
    if (refused) {
      swap(place, faint(refused));
      return;
    }
    const q = await get("/v1/approvals/" + part(at.id));
    if (q.state === state) return;                       // a comment that is being written stays
    state = q.state;
    swap(place, question(app, q, app.approvalsChanged));
  }
  const again = coalesced(first);
  const event = (kind, e) => kind === "approval" && e.id === at.id && again();
  return { title: "Approval", first, again, approvals: again, event };
}

// --- the kill switch ----------------------------------------------------------------------------------------------

function scopeWords(scope) {
  if (scope === "all") return "Every write";
  const [kind, ...name] = scope.split(":");
  return `Every write of the ${kind} ${name.join(":")}`;
}

/** What is frozen, with why; and a button for whoever may end it. */
export function frozenList(app, frozen) {
  const why = whyNot(app.session.role, "admin");
  return h("ul", { class: "cards bad" }, frozen.map(f => {
    const [kind, ...name] = f.scope.split(":");
    const query = f.scope === "all" ? "" : `?${part(kind)}=${part(name.join(":"))}`;
    const label = f.scope === "all" && frozen.length > 1 ? "Thaw everything" : "Thaw";
    const thaw = async () => app.froze((await send("DELETE", "/v1/freeze" + query)).frozen);
    return h("li", { "data-key": f.scope }, para(strong(scopeWords(f.scope)), " waits. Why: ", f.why),
             para("By ", f.by, ", ", when(f.since), " "), deed(label, thaw, { why }));
  }));
}

const SCOPES = [["", "every write"], ["connector", "writes of a connector"], ["playbook", "writes of a playbook"]];

export function freeze(app) {
  const place = h("div"), why = whyNot(app.session.role, "operator");
  const reason = h("input", { id: "freeze-why", name: "why", required: true, maxlength: "1000", autocomplete: "off" });
  const scope = h("select", { id: "freeze-scope" }, SCOPES.map(([value, text]) => h("option", { value }, text)));
  const name = h("input", { id: "freeze-name", autocomplete: "off", spellcheck: "false" });
  const act = async () => {
    if (!reason.value.trim()) throw new Error("say why, for the record");
    if (scope.value && !name.value.trim()) throw new Error(`say which ${scope.value}`);
    const body = { why: reason.value.trim(), ...(scope.value && { [scope.value]: name.value.trim() }) };
    app.froze((await send("POST", "/v1/freeze", body)).frozen);
    reason.value = "";
    return "frozen";
  };
  const draw = () => swap(place, app.frozen.length ? frozenList(app, app.frozen) : none("Nothing is frozen."));
  async function first() {
    app.main.append(section("Frozen now", place), section("Freeze",
      para("A write's run waits before it is sent; reads go on. On thaw all is asked anew. An operator freezes, an admin thaws."),
      h("form", { class: "fields", on: { submit: e => e.preventDefault() } },
        h("label", { for: "freeze-scope" }, "What"), scope, h("label", { for: "freeze-name" }, "Its name"), name,
        h("label", { for: "freeze-why" }, "Why"), reason, deed("Freeze", act, { kind: "danger", why }))));
    draw();
  }
  return { title: "Freeze", first, again: draw, frozen: draw, event() {} };
}
