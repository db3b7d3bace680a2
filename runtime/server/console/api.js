// api.js: the HTTP API, as the console asks it: with the session's cookie, and nothing else.
import { nextPage } from "./pure.js";

/** What the server refuses: status, code and its own words. */
export class Problem extends Error {
  constructor(status, doc) {
    super(doc.detail || doc.title || "the server gave no reason");
    this.status = status;
    this.code = doc.code || "";
  }
}

let signedOut = () => {};
/** fn is called when a request finds that there is no session any more. */
export function onSignedOut(fn) { signedOut = fn; }

async function reach(method, path, body) {
  const headers = {};
  if (method !== "GET") headers["X-Lunette"] = "1";      // which no form of another site can send
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    return await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
  } catch {
    throw new Problem(0, { code: "unavailable",
                           detail: "Lunette does not answer: is it running, and is the network there?" });
  }
}

async function ask(method, path, body) {
  const answer = await reach(method, path, body), doc = await answer.json().catch(() => ({}));
  const health = answer.status === 503 && doc.status === "red";
  if (answer.ok || health) return { doc, next: nextPage(answer.headers.get("Link")) };
  if (answer.status === 401 && !path.startsWith("/v1/session")) signedOut();
  throw new Problem(answer.status, doc);
}

/** A page of a list, or a document: { doc, next }, next being the way to the next page or null. */
export function look(path) { return ask("GET", path); }

/** The document alone. */
export async function get(path) { return (await ask("GET", path)).doc; }

/** An answer that is a text. */
export async function text(path) {
  const answer = await reach("GET", path);
  if (!answer.ok) throw new Problem(answer.status, await answer.json().catch(() => ({})));
  return answer.text();
}

/** Changes something; the answer's document. */
export async function send(method, path, body) { return (await ask(method, path, body)).doc; }

export const part = encodeURIComponent;

const KINDS = ["run", "stage", "step", "approval", "library", "reset", "dropped", "bye"];
const AGAIN_MS = 5000;

/** Listens to the events until stop() is called.  on(kind, event) for each, and "open" and "closed" when the stream
 *  begins and ends.  A browser comes back by itself with Last-Event-ID; only when it was refused we do. */
export function listen(on) {
  let source, again;
  function open() {
    source = new EventSource("/v1/events");
    source.addEventListener("open", () => on("open", {}));
    for (const kind of KINDS) source.addEventListener(kind, m => on(kind, JSON.parse(m.data)));
    source.addEventListener("error", () => {
      on("closed", {});
      if (source.readyState === EventSource.CLOSED) again = setTimeout(open, AGAIN_MS);
    });
  }
  open();
  return { stop() { clearTimeout(again); source.close(); } };
}

/** fn, but at once only the first time; calls that come within ms are one more, and none begins before the last has
 *  ended: what many events ask for is fetched once. */
export function coalesced(fn, ms = 400) {
  let timer = null, busy = false, again = false;
  async function go() {
    timer = null;
    busy = true;
    again = false;
    try {
      await fn();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;      // what cannot be had now is asked for at the next event
    } finally {
      busy = false;
    }
    if (again) timer = setTimeout(go, ms);
  }
  return () => {
    if (busy) again = true;
    else if (timer === null) timer = setTimeout(go, ms);
  };
}
