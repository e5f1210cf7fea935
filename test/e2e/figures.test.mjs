// What the pages say about the same days agrees: counts from the reports, commissions from the books, lists and files.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { demo } from "./demo.mjs";
import { facts, openBrowser, rows, signIn } from "./browser.mjs";

let browser;
before(async () => { browser = await openBrowser(); });
after(() => browser.close());

// Days that are over, so that the live traffic between two pages changes nothing.
const day = (ago) => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);
const days = `from=${day(50)}&to=${day(15)}`;

const number = (text) => Number(text.match(/-?[\d,]+/u)[0].replaceAll(",", ""));
const sum = (list) => list.reduce((a, b) => a + b, 0);

async function stats(page, path) {
  await page.goto(`${demo.dashboard}${path}?${days}`);
  return facts(page.locator("dl.stats").first());
}

// file gives the records of a download, by the names in its heading.
async function file(context, path) {
  const response = await context.request.get(`${demo.dashboard}${path}?${days}`);
  assert.equal(response.status(), 200, path);
  const [heading, ...lines] = (await response.text()).replace("\u{feff}", "").trim().split(/\r?\n/u).map((line) => line.split(",").map((cell) => cell.replace(/^"|"$/gu, "")));
  return lines.map((cells) => Object.fromEntries(cells.map((cell, i) => [heading[i], cell])));
}

test("the network's figures are the sum of its merchants'", async () => {
  const { context, page } = await signIn(browser, "operator");
  const whole = await stats(page, "/network");
  const merchants = await rows(page.locator("section.card", { has: page.locator("h2", { hasText: "Merchants" }) }));
  assert.equal(merchants.length, 3);
  assert.equal(sum(merchants.map((row) => number(row[3]))), number(whole.Clicks), "clicks");
  assert.equal(sum(merchants.map((row) => number(row[4]))), number(whole["Orders credited"]), "orders credited");
  await context.close();
});

test("a merchant's overview, partners, orders and days tell the same", async () => {
  const { context, page } = await signIn(browser, "merchant");
  const shown = await stats(page, "/merchant");
  const orders = await file(context, "/merchant/orders.csv");
  const credited = orders.filter((o) => o.outcome === "credited");
  assert.ok(credited.length > 50 && orders.length > credited.length + 20, `${credited.length} of ${orders.length} orders are credited`);
  assert.equal(number(shown["Orders from partners"]), credited.length);
  assert.match(shown["Share of all orders"], new RegExp(`of ${orders.length} orders`, "u"));
  const byDay = await file(context, "/merchant/days.csv");
  assert.equal(sum(byDay.map((d) => Number(d.orders))), credited.length);
  assert.equal(sum(byDay.map((d) => Number(d.clicks))), number(shown.Clicks));
  await context.close();
});

test("a partner's overview, commissions and days tell the same", async () => {
  const { context, page } = await signIn(browser, "partner");
  const shown = await stats(page, "/partner");
  const commissions = await file(context, "/partner/commissions.csv");
  // Some earn twice on one order, as partner and as recruiter; and one that a later fact gave to another stays listed, with nothing.
  const orders = new Set(commissions.filter((c) => Number(c.commission_before_refunds) !== 0).map((c) => c.order)).size;
  assert.equal(number(shown.Orders), orders);
  const pence = (text) => Math.round(Number(text) * 100);
  const earned = sum(commissions.filter((c) => c.currency === "GBP").map((c) => pence(c.commission)));
  assert.equal(pence(shown.Earned.match(/GBP ([\d,.]+)/u)[1].replaceAll(",", "")), earned);
  const byDay = await file(context, "/partner/days.csv");
  assert.equal(sum(byDay.map((d) => Number(d.clicks))), number(shown.Clicks));
  assert.equal(sum(byDay.map((d) => Number(d.orders))), orders);
  await context.close();
});
