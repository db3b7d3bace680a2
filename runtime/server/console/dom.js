// dom.js: elements.  Whatever is shown goes through text nodes: there is no way in here for a text to become markup.
import { clock, distance, list, pieces, plain } from "./pure.js";

/** A text as nodes: what a reader could not see is shown by its number. */
export function nodes(text) {
  return pieces(text).map(p => p.mark
    ? h("span", { class: "hidden-char", title: "a character that would not be seen" }, p.mark)
    : document.createTextNode(p.text));
}

function add(parent, child) {
  if (child === null || child === undefined || child === false) return;
  if (Array.isArray(child)) child.forEach(c => add(parent, c));
  else if (child instanceof Node) parent.append(child);
  else if (parent.localName === "option") parent.append(plain(child));
  else parent.append(...nodes(child));
}

/** An element.  `on` is a table of listeners; what is null or false among the attributes is left out. */
export function h(name, attributes, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "on") for (const [event, fn] of Object.entries(value)) e.addEventListener(event, fn);
    else if (value === true) e.setAttribute(key, "");
    else if (value !== null && value !== undefined && value !== false) e.setAttribute(key, plain(value));
  }
  children.forEach(c => add(e, c));
  return e;
}

/** A paragraph, an item of a list, what is important; what is not there, and what is only explained. */
export function para(...children) { return h("p", {}, ...children); }
export function item(...children) { return h("li", {}, ...children); }
export function strong(...children) { return h("strong", {}, ...children); }
export function none(...children) { return h("p", { class: "none" }, ...children); }
export function faint(...children) { return h("p", { class: "why" }, ...children); }

export function link(to, ...children) { return h("a", { href: to }, ...children); }

/** A state, with its tone; the word is there, so colour is not all that tells it. */
export function badge(tone, ...text) { return h("span", { class: "badge " + tone }, ...text); }

/** A time: how far it is, and when exactly. */
export function when(iso) {
  return iso ? h("time", { datetime: iso, title: clock(iso) }, distance(iso, Date.now())) : "";
}

/** Times that are shown say how far they are now. */
export function refreshTimes() {
  for (const e of document.querySelectorAll("time[datetime]")) {
    const text = distance(e.dateTime, Date.now());
    if (e.textContent !== text) e.textContent = text;
  }
}

/** A text that stays as it is written, in a box of its own. */
export function code(text) { return h("code", {}, text); }

/** A command to be pasted, with a button that copies it. */
export function command(text) {
  const said = h("span", { role: "status", class: "copied" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(line);
      said.textContent = "selected: copy it";
    }
  };
  const line = h("code", {}, text);
  return h("div", { class: "command" }, line, h("button", { type: "button", on: { click: copy } }, "Copy"), said);
}

export function section(title, ...children) {
  return h("section", {}, h("h2", {}, title), ...children);
}

/** A section that is there only if the list of the API's has anything; make(rows) is what stands in it. */
export function sectionOf(title, rows, make) {
  const all = list(rows);
  return all.length ? section(title, make(all)) : null;
}

/** Something long that opens; it stays open when what is around it is made anew (swap). */
export function fold(key, summary, ...children) {
  return h("details", { "data-key": key }, h("summary", {}, summary), ...children);
}

/** Rows of cells under heads; at 400 pixels each row is a block whose cells are named by the heads.  A row is a list of
 *  cells, or { key, cells }. */
export function table(caption, heads, rows) {
  const cell = (c, i) => h("td", { "data-head": heads[i] }, c);
  const body = rows.map(r => h("tr", { "data-key": r.key }, (r.cells || r).map(cell)));
  return h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, heads.map(t => h("th", { scope: "col" }, t)))),
           h("tbody", {}, body));
}

/** Names and what they are, those without a value left out. */
export function facts(pairs) {
  return h("dl", {}, pairs.filter(([, v]) => v !== null && v !== undefined && v !== "")
    .map(([name, v]) => h("div", {}, h("dt", {}, name), h("dd", {}, v))));
}

/** A refusal of the server, as it says it. */
export function problem(error) {
  const what = [error.code && code(error.code), error.status ? ` (${error.status}) ` : " ", error.message];
  return h("p", { class: "problem", role: "alert" }, what);
}

const FOCUSABLE = "a, button, input, select, summary, [tabindex]";

// What has the focus: the how manyth of what can have it, in which part that has a key.
function focusIn(into) {
  const e = document.activeElement;
  if (!into.contains(e)) return null;
  const keyed = e.closest("[data-key]"), part = into.contains(keyed) ? keyed : into;
  return { key: part.dataset.key, at: [...part.querySelectorAll(FOCUSABLE)].indexOf(e) };
}

function focusAgain(into, had) {
  const part = had.key === into.dataset.key ? into
    : [...into.querySelectorAll("[data-key]")].find(e => e.dataset.key === had.key);
  part?.querySelectorAll(FOCUSABLE)[had.at]?.focus({ preventScroll: true });
}

/** Puts other children into an element; what was open stays open, and what had the focus has it. */
export function swap(into, ...children) {
  const open = [...into.querySelectorAll("details[open][data-key]")].map(e => e.dataset.key), had = focusIn(into);
  into.replaceChildren();
  add(into, children);
  for (const e of into.querySelectorAll("details[data-key]")) if (open.includes(e.dataset.key)) e.open = true;
  if (had) focusAgain(into, had);
}

/** A button that asks the server for something: off while it does, and what comes back is said beside it. */
export function deed(label, act, { kind = "", why = null } = {}) {
  const said = h("span", { class: "said", role: "status" });
  const button = h("button", { type: "button", class: kind, disabled: why !== null, title: why, on: { click: run } }, label);
  async function run() {
    button.disabled = true;
    said.replaceChildren();
    try {
      said.append(...nodes(await act() ?? ""));
    } catch (error) {
      said.append(problem(error));
    }
    button.disabled = false;
  }
  return h("span", { class: "deed" }, button, said, why && h("span", { class: "why" }, why));
}
