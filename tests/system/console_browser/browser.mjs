// browser.mjs CHROMIUM URL FOLDER MODULES: the console in a real browser, as people use it; the tokens are in
// FOLDER/tokens.json, the scripts in FOLDER/scripts.  Says what it saw, a line each; exits 1 at the first that is not so.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const [executablePath, url, folder, modules] = process.argv.slice(2);
const { chromium } = createRequire(modules + "/")("playwright-core");
const tokens = JSON.parse(readFileSync(folder + "/tokens.json", "utf8"));
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const wrong = [];                                        // what a browser complains of: errors, policies, dialogs

async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  page.on("pageerror", e => wrong.push("error: " + e.message));
  page.on("dialog", d => { wrong.push("dialog: " + d.message()); d.dismiss(); });
  page.on("console", m => { if (/Content Security|violates/.test(m.text())) wrong.push(m.text()); });
  return page;
}

async function signIn(page, token, way = "/") {
  await page.goto(url + way);
  await page.waitForSelector("#token:focus");
  await page.keyboard.type(token);
  await page.keyboard.press("Enter");
}

async function api(as, method, path, body) {
  const headers = { Authorization: "Bearer " + tokens[as], "Content-Type": "application/json" };
  const r = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
  return r.json();
}

const main = page => page.locator("main");
const go = (page, way) => page.evaluate(w => { location.hash = w; }, way);
const seen = (page, text) => main(page).getByText(text).first().waitFor();
const said = line => console.log(line);

// Presses Tab until what is wanted has the focus: whoever has no mouse gets there.
async function tabTo(page, wanted) {
  for (let i = 0; i < 80; i++) {
    await page.keyboard.press("Tab");
    if (await page.evaluate(s => document.activeElement.matches(s), wanted)) return;
  }
  assert.fail("Tab does not lead to " + wanted);
}

// --- somebody who decides, with the keyboard alone, who followed a link to one question ---
const run = (await api("operator", "POST", "/v1/runs", { playbook: "asks", input: { n: 7 } })).run;
const page = await open();
let asked;
for (asked = []; !asked.length;) asked = (await api("approver", "GET", "/v1/approvals")).approvals;
const question = asked[0].id;
await signIn(page, "lnt_wrong", "/#/approvals/" + question);
await page.getByRole("alert").waitFor();
assert.equal(await page.locator("#nav a").count(), 0);
said("a wrong token is refused");
await page.keyboard.type(tokens.approver);
await page.keyboard.press("Enter");
await seen(page, "go on with 7?");
assert.match(page.url(), new RegExp("#/approvals/" + question + "$"));
said("the link leads to the question, after signing in");
await tabTo(page, "#comment-" + question);
await page.keyboard.type("seen, <b>fine</b>");
await tabTo(page, "button.good");
assert.notEqual(await page.evaluate(() => window.getComputedStyle(document.activeElement).outlineStyle), "none");
await page.keyboard.press("Enter");
await seen(page, "It waits no more.");
await page.locator(`main a[href="#/runs/${run}"]`).click();
await seen(page, "seen, <b>fine</b>");
await seen(page, "completed");
said("approved by keyboard, and the run completed");

// --- a write: what it is about, which way it goes, and what is held then ---
await go(page, "#/approvals");
await api("operator", "POST", "/v1/runs", { playbook: "moves" });
const write = main(page).locator(".effects > li", { hasText: "okta.add_to_group" });
await write.getByText("pgustavo@theshire.example").first().waitFor();
assert.match(await write.textContent(), /absent → member/);
await main(page).getByText(/^[0-9a-f]{64}$/).waitFor();  // the digest
await main(page).getByRole("button", { name: "Approve" }).click();
await seen(page, "Nothing waits for you.");
await go(page, "#/held");
await main(page).locator("tr", { hasText: "okta:user:" }).getByText("member").waitFor();
assert.equal(await main(page).getByRole("button", { name: "Release", includeHidden: true }).first().isDisabled(), true);
said("a write is shown before it is approved, and held after it");

// --- what happens is seen as it happens ---
await go(page, "#/runs");
await page.locator("main table").waitFor();
const other = (await api("operator", "POST", "/v1/runs", { playbook: "counts" })).run;
const row = page.locator(`tr[data-key="${other}"]`);
await row.getByText(/^(running|waiting)$/).waitFor();
await row.locator("a").focus();
await api("operator", "POST", `/v1/runs/${other}/signals/go`, { value: 1 });
await row.getByText("completed").waitFor();
assert.equal(await page.evaluate(() => document.activeElement.closest("tr")?.dataset.key), other); // still there
said("a run appears, goes and ends without anybody asking");

await go(page, "#/playbooks");
await seen(page, "Every script is used as it is on the disk.");
writeFileSync(folder + "/scripts/counts.lua", "return playbook {\n  name = \"counts\",\n  run = function( retrun 1 end }\n");
await seen(page, /scripts\/counts\.lua:3: /);
await seen(page, "the last good version is used");
said("a broken script is shown with its line");

// --- what strangers write is text ---
const title = "<img src=x onerror=alert(1)>\u202etxt.exe<script>alert(2)</script>";
await api("operator", "POST", "/v1/alerts",
          { rule: title, priority: "Warning", output: "o", uuid: "evil-1", output_fields: { "proc.name": "bash" } });
await go(page, "#/alerts");
await seen(page, "<img src=x onerror=alert(1)>");
assert.equal(await page.locator("main img, main script").count(), 0);
assert.equal(await page.locator("main .hidden-char").first().textContent(), "U+202E");
said("a hostile title is text");

// --- whoever began it does not decide it: the server's own words ---
await api("admin", "POST", "/v1/runs", { playbook: "asks", input: { n: 8 } });
const boss = await open({ viewport: { width: 400, height: 800 }, colorScheme: "dark" });
await signIn(boss, tokens.admin, "/#/approvals");
await seen(boss, "go on with 8?");
await main(boss).getByRole("button", { name: "Approve" }).click();
await boss.locator("main .problem").getByText("denied").waitFor();
said("who began a run is refused its approval");
await go(boss, "#/freeze");
await boss.getByLabel("Why").fill("a drill");
await main(boss).getByRole("button", { name: "Freeze" }).click();
await main(boss).getByText("a drill").waitFor();
const titles = { now: "Now", runs: "Runs", ["runs/" + run]: "Run " + run, alerts: "Alerts", approvals: "Approvals",
                 held: "Held", playbooks: "Playbooks", coverage: "Coverage", health: "Health" };
for (const [way, name] of Object.entries(titles)) {
  await go(boss, "#/" + way);
  await boss.getByRole("heading", { level: 1, name, exact: true }).waitFor();
  const wide = await boss.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${way} is ${wide} pixels too wide`);
  await boss.locator("#banner").getByText("a drill").waitFor();
}
said("every page fits 400 pixels, and says what is frozen");

// --- what a role may not do is not offered, and why ---
const looker = await open();
await signIn(looker, tokens.viewer, "/#/freeze");
await looker.locator("main button", { hasText: "Freeze" }).waitFor();
for (const b of await main(looker).getByRole("button").all()) assert.equal(await b.isDisabled(), true);
await main(looker).getByText("you are signed in as viewer").first().waitFor();
await go(looker, "#/approvals");
await main(looker).getByText("you are signed in as viewer").first().waitFor();
const tab = await looker.context().newPage();             // the same session, in another tab
await tab.goto(url + "/#/runs");
await tab.locator("main table").waitFor();
await looker.getByRole("button", { name: "Sign out" }).click();
await looker.waitForSelector("#token");
assert.equal(await looker.locator("#nav a").count(), 0);
await looker.reload();
await looker.waitForSelector("#token");
await tab.waitForSelector("#token");                     // before anybody touches it
assert.equal(await tab.locator("main table").count(), 0);
said("a viewer is offered what a viewer may, and signs out");

// Signing out while something happens: what was about to be asked for is not shown any more, and nothing breaks.
await api("operator", "POST", "/v1/runs", { playbook: "asks", input: { n: 9 } });
await page.getByRole("button", { name: "Sign out" }).click();
await page.waitForSelector("#token:focus");
await new Promise(done => setTimeout(done, 1000));       // what must not happen has no event to wait for
assert.equal(await page.locator("#nav a").count(), 0);
assert.equal(await page.locator("#banner > *").count(), 0);
said("signed out, nothing is shown");

assert.deepEqual(wrong, []);
said("end");
await browser.close();
