// The tag on a shop's pages, in Chromium: the shop is one origin, the tracker another. The pages are the test's own server's,
// everything behind them is the demo's.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, get } from "node:http";
import { after, before, test } from "node:test";
import { demo } from "./demo.mjs";
import { openBrowser, signIn, until, visitor } from "./browser.mjs";

let browser;
let line; // what the merchant copies
let link;
let code;
let shopAt; // allowed, since the demo's program is on this machine's address
let evilAt; // the same by a name that the program does not have
const served = {};
const server = createServer((_, answer) => {
  answer.writeHead(200, { "Content-Type": "text/html", ...(served.policy && { "Content-Security-Policy": served.policy }) });
  answer.end(`<!doctype html><title>Shop</title><h1>Shop</h1>${served.content}`);
});
before(async () => {
  await new Promise((listening) => { server.listen(0, "127.0.0.1", listening); });
  shopAt = `http://127.0.0.1:${server.address().port}`;
  evilAt = `http://localhost:${server.address().port}`;
  browser = await openBrowser();
  const merchant = await signIn(browser, "merchant");
  await merchant.page.goto(`${demo.dashboard}/merchant/developers`);
  line = await merchant.page.locator("#tag-line").innerText();
  const partner = await signIn(browser, "partner");
  await partner.page.goto(`${demo.dashboard}/partner/links`);
  await partner.page.locator("#results tr", { hasText: "Fernhill" }).locator("a.row").first().click();
  link = (await partner.page.locator("main").innerText()).match(/https?:\/\/\S+\/c\/[\w-]+/u)[0];
  code = link.split("/").pop();
});
after(() => { server.close(); return browser.close(); });

// open gives a page of the shop that carries the tag, what the tracker was asked, and the cookie _trb.
async function open(path, { attributes = "", policy = "", on = shopAt, content = line } = {}) {
  const context = await visitor(browser);
  const page = await context.newPage();
  const asked = [];
  const sent = [];
  const errors = [];
  page.on("pageerror", (e) => errors.push(e.message));
  page.on("request", (r) => {
    if (!r.url().startsWith(demo.tracker)) return;
    asked.push(`${r.method()} ${new URL(r.url()).pathname}`);
    if (r.method() === "POST") sent.push(r.postDataJSON());
  });
  served.policy = policy;
  served.content = content.replace(" data-tributary", ` data-tributary ${attributes}`);
  await page.goto(on + path);
  await page.waitForLoadState("networkidle");
  const cookie = async () => (await context.cookies(on)).find((c) => c.name === "_trb")?.value ?? "";
  const call = (...args) => page.evaluate((a) => window.tributary(...a), args);
  const clickID = () => page.evaluate(() => new Promise((done) => { window.tributary("clickId", done); }));
  const kept = () => page.evaluate(() => Object.keys(localStorage));
  return { context, page, asked, sent, errors, cookie, call, clickID, kept };
}

const soft = /^A[g-v][\w-]{52}$/u;
const script = "GET /t.js";
const click = "POST /v1/tag/click";

// landing follows the link by its redirect and gives the id that the shop receives.
async function landing() {
  const answer = await new Promise((done) => { get(link, { headers: { "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0" } }, done); });
  answer.resume();
  return new URL(answer.headers.location).searchParams.get("tclid");
}

test("an id in the address is kept with the visitor (35)", async () => {
  const id = await landing();
  const shop = await open(`/?tclid=${id}`);
  assert.equal(await shop.cookie(), id);
  assert.equal(await shop.clickID(), id);
  assert.deepEqual(shop.asked, [script], "nothing is asked of the tracker");
  await shop.page.goto(`${shopAt}/basket`);
  await shop.page.waitForLoadState("networkidle");
  assert.equal(await shop.clickID(), id, "on a later page");
});

test("via= is one soft click, and pushes out no hard one (38)", async () => {
  const hard = await landing();
  const shop = await open(`/?via=${code}`);
  await until("the id", shop.cookie, (v) => soft.test(v));
  const id = await shop.cookie();
  await shop.page.goto(`${shopAt}/?ref=${code}`);
  await shop.page.waitForLoadState("networkidle");
  assert.deepEqual(shop.asked.filter((a) => a !== script), [click], "once in half an hour, and no browser asks first");
  await shop.page.goto(`${shopAt}/?tclid=${hard}`);
  await shop.page.waitForLoadState("networkidle");
  assert.equal(await shop.cookie(), `${id}.${hard}`);
  assert.equal(await shop.clickID(), hard);
});

test("with consent to come nothing is asked and nothing kept (39)", async () => {
  const shop = await open(`/?via=${code}`, { attributes: 'data-consent="wait"' });
  assert.deepEqual([shop.asked, await shop.cookie(), await shop.kept()], [[script], "", []]);
  await shop.call("consent", true);
  await until("the id", shop.cookie, (v) => soft.test(v));
  await shop.call("consent", false);
  assert.deepEqual([await shop.cookie(), await shop.kept(), await shop.clickID()], ["", [], ""]);
  const denied = await open(`/?via=${code}&tclid=${await landing()}`, { attributes: 'data-consent="denied"' });
  assert.deepEqual([denied.asked, await denied.cookie(), await denied.kept()], [[script], "", []]);
});

test("a page that never loads again is followed (40)", async () => {
  const shop = await open("/");
  await shop.page.evaluate(() => { for (let n = 0; n < 100; n++) history.pushState({}, "", `/item/${n}`); });
  assert.deepEqual(shop.asked, [script]);
  await shop.page.evaluate((c) => { history.pushState({}, "", `/?via=${c}`); history.pushState({}, "", "/next"); history.pushState({}, "", `/?via=${c}`); }, code);
  await until("the id", shop.cookie, (v) => soft.test(v));
  assert.deepEqual(shop.asked, [script, click]);
});

test("a tracker that is down is asked again, then online (37)", async () => {
  const shop = await open("/");
  let down = 2;
  await shop.context.route(`${demo.tracker}/v1/tag/click`, (route) => (down-- > 0 ? route.fulfill({ status: 503, headers: { "Access-Control-Allow-Origin": "*" } }) : route.continue()));
  await shop.page.evaluate((c) => { history.pushState({}, "", `/?via=${c}`); }, code);
  await until("the id", shop.cookie, (v) => soft.test(v));
  assert.equal(shop.asked.filter((a) => a === click).length, 3);
  const away = await open("/");
  await away.context.setOffline(true);
  await away.page.evaluate((c) => { history.pushState({}, "", `/?via=${c}`); }, code);
  await away.page.waitForTimeout(1500);
  assert.equal(await away.cookie(), "");
  await away.context.setOffline(false);
  await until("the id", away.cookie, (v) => soft.test(v));
});

test("a strict policy needs two sources, and without them the page goes on (44)", async () => {
  const strict = `default-src 'none'; script-src ${demo.tracker}; connect-src ${demo.tracker}`;
  const shop = await open(`/?via=${code}`, { policy: strict });
  await until("the id", shop.cookie, (v) => soft.test(v));
  const closed = await open(`/?via=${code}`, { policy: `default-src 'none'; script-src ${demo.tracker}` });
  assert.deepEqual([closed.errors, await closed.cookie(), await closed.page.locator("h1").innerText()], [[], "", "Shop"]);
});

test("another site's page is refused, and asks once (42)", async () => {
  const evil = await open(`/?via=${code}`, { on: evilAt });
  assert.deepEqual(evil.asked, [script, click]);
  assert.deepEqual([evil.errors, await evil.cookie()], [[], ""]);
});

test("each example sends what is recorded of it", async () => {
  const example = (file) => readFileSync(new URL(`../../examples/tag/${file}`, import.meta.url), "utf8");
  const program = line.match(/prg_\d+/u)[0];
  const want = JSON.parse(example("click.json").replaceAll("prg_17", program).replaceAll("CODE", code).replaceAll("https://shop.example.com", shopAt));
  for (const file of ["plain.html", "tag-manager.html"]) {
    const content = example(file).replaceAll("https://go.example.com", demo.tracker).replaceAll("prg_17", program);
    const shop = await open(`/?via=${code}&sub1=post-9`, { content });
    await until("the id", shop.cookie, (v) => soft.test(v));
    assert.deepEqual([shop.sent, shop.errors], [[want], []], file);
    const input = shop.page.locator("input[name=click_id]");
    if (await input.count()) assert.equal(await input.inputValue(), await shop.cookie());
  }
});
