// S13: texts that would become code where a page forgets to escape them, stored wherever somebody from outside can write,
// and then read in a browser on every page: no dialog opens, nothing runs, and the content policy has nothing to stop.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { demo, newOrderID, report } from "./demo.mjs";
import { openBrowser, signIn, until } from "./browser.mjs";
import { isFile, pathsFor, roles } from "./routes.mjs";

const runs = [
  "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "<svg><script href=data:,alert(1) /></svg>",
  '<iframe srcdoc="<script>alert(1)</script>">', "<details open ontoggle=alert(1)>", '<a href="javascript:alert(1)">x</a>', "<input autofocus onfocus=alert(1)>",
  "<math><mtext><script>alert(1)</script>", '<object data="javascript:alert(1)">', '<div hx-on:load="alert(1)">', '<meta http-equiv=refresh content="0;url=javascript:alert(1)">',
  '" hx-get="/signout" hx-trigger="load',
];
const payloads = ["", '">', "'>", "</title>", "</textarea>", "</script>", "-->", "]]>", "`>", "\u202e"].flatMap((out) => runs.map((run) => out + run));
const unique = `${Date.now().toString(36)}`;

let browser;
before(async () => { browser = await openBrowser(); });
after(() => browser.close());

// watch collects what a payload that runs would do to a page.
async function watch(context, page) {
  const seen = [];
  await context.exposeBinding("reportViolation", (_, text) => { seen.push(`policy: ${text}`); });
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (e) => window.reportViolation(`${e.violatedDirective} ${e.blockedURI} ${e.sample}`));
  });
  page.on("dialog", (d) => { seen.push(`dialog: ${d.message()}`); d.dismiss(); });
  page.on("pageerror", (e) => seen.push(`script: ${e.message}`));
  page.on("console", (m) => { if (m.type() === "error") seen.push(`console: ${m.text()}`); });
  return seen;
}

// seen is a payload as a report may hold it: what cannot be seen is refused there.
const seen = (text) => text.replaceAll("\u202e", "");

// seatOf is the seat that the forms of a page are sent from.
const seatOf = (page) => page.locator("input[name=seat]").first().getAttribute("value");

// store writes every payload into every field there is: of a link and its clicks, of orders, refunds and contradicting
// reports, and of keys.
async function store() {
  assert.ok(payloads.length >= 120, `${payloads.length} payloads`);
  const { context, page } = await signIn(browser, "partner");
  await page.goto(`${demo.dashboard}/partner/links/new`);
  const program = await page.locator("#program option").first().getAttribute("value");
  const made = await context.request.post(`${demo.dashboard}/partner/links`, {
    form: { seat: await seatOf(page), program, label: payloads[3], code: `payload-${unique}` }, maxRedirects: 0,
  });
  assert.equal(made.status(), 303, await made.text());
  const link = made.headers().location;
  const address = `${new URL(demo.link).origin}/c/payload-${unique}`;
  await until("the link to work", async () => (await fetch(address, { redirect: "manual" })).status, (status) => status === 302);
  let last = "";
  for (const [n, text] of payloads.entries()) {
    const subs = [1, 2, 3, 4, 5].map((i) => `sub${i}=${encodeURIComponent(text)}`).join("&");
    const answer = await fetch(`${address}?${subs}`, {
      redirect: "manual",
      headers: { "User-Agent": `Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0 ${encodeURIComponent(text)}`, Referer: `https://site.example/${encodeURIComponent(text)}` },
    });
    const clickID = new URL(answer.headers.get("location")).searchParams.get("tclid");
    last = newOrderID();
    const order = {
      order_id: `${last}${seen(text)}`.slice(0, 120), amount: 1000, currency: "GBP", click_id: clickID, coupon: seen(text), customer_id: seen(text),
      lines: [{ sku: seen(text), quantity: 1, amount: 1000, category: seen(text).slice(0, 60) }],
    };
    const { status, answer: said } = await report("/v1/conversions", order);
    assert.ok(status < 300, `payload ${n}: ${status} ${JSON.stringify(said)}`);
    if (n % 10 === 0) {
      await report("/v1/conversions", { ...order, customer_id: `${seen(text)}other`, lines: [{ sku: `${seen(text)}2`, quantity: 2, amount: 1000 }] });
      await report("/v1/refunds", { order_id: order.order_id, refund_id: seen(text).slice(0, 100), reason: seen(text), amount: 10 });
    }
  }
  await context.close();
  const shop = await signIn(browser, "merchant");
  await shop.page.goto(`${demo.dashboard}/merchant/developers`);
  const seat = await seatOf(shop.page);
  for (const label of payloads.slice(0, 10)) {
    const answer = await shop.context.request.post(`${demo.dashboard}/merchant/keys`, { form: { seat, label } });
    assert.ok([201, 409].includes(answer.status()), `${answer.status()}`);
  }
  await until("the last order to be listed", async () => (await shop.context.request.get(`${demo.dashboard}/merchant/orders.csv`)).text(),
    (list) => list.includes(last));
  await shop.context.close();
  return { link };
}

test("a payload that got through would be seen", async () => {
  const { context, page } = await signIn(browser, "partner");
  const seen = await watch(context, page);
  await page.goto(`${demo.dashboard}/account`);
  await page.evaluate(() => document.querySelector("main").insertAdjacentHTML("beforeend", "<img src=https://evil.example/x onerror=alert(1)>"));
  await until("the browser to complain", async () => seen.filter((text) => text.startsWith("policy: ")).length, (n) => n > 0);
  await context.close();
});

test("what outsiders write is read as text on every page", async (t) => {
  const { link } = await store();
  for (const role of roles) {
    const { context, page } = await signIn(browser, role);
    const seen = await watch(context, page);
    const paths = (await pathsFor(role, page)).filter((r) => !isFile(r)).map((r) => r.path);
    const list = { partner: "/partner/commissions", merchant: "/merchant/orders" }[role];
    if (role === "partner") paths.push(...["referrer", "sub1", "sub2", "sub3", "sub4", "sub5", "device", "browser"].map((by) => `${link}?by=${by}`));
    if (list) {
      // Each of the newest orders on its own page, and searches that repeat what was typed.
      await page.goto(demo.dashboard + list);
      const orders = await page.locator("main a.row").evaluateAll((all) => all.map((a) => a.getAttribute("href")));
      paths.push(...orders.slice(0, 20), ...payloads.slice(0, 13).map((text) => `${list}?q=${encodeURIComponent(text)}`));
    }
    for (const path of paths) {
      await t.test(`${role} ${path}`.slice(0, 90), async () => {
        seen.length = 0;
        const response = await page.goto(demo.dashboard + path);
        assert.equal(response.status(), 200);
        await page.locator("main").waitFor();
        await page.evaluate(() => new Promise((settled) => { requestAnimationFrame(() => setTimeout(settled, 30)); }));
        assert.deepEqual(seen, []);
        assert.equal(await page.locator("main :is(iframe, object, embed, math, script, base, meta)").count(), 0);
      });
    }
    await context.close();
  }
});
