// A merchant's day: orders with who earned on them, reports that contradict each other, and API keys.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { boots, demo, login, newOrderID, report } from "./demo.mjs";
import { card, facts, follow, openBrowser, rows, signIn, until } from "./browser.mjs";

let browser;
let merchant;
before(async () => {
  browser = await openBrowser();
  merchant = await signIn(browser, "merchant");
});
after(() => browser.close());

// findOrder searches the list of orders, by typing, until the order is its only row.
async function findOrder(page, order) {
  const list = await until("the order in the list", async () => {
    await page.goto(`${demo.dashboard}/merchant/orders`);
    await page.getByLabel("Order or customer").fill(order);
    await page.waitForURL((url) => url.searchParams.get("q") === order);
    return rows(page.locator("#results"));
  }, (all) => all.length === 1 && all[0].length > 1);
  return list[0];
}

test("an order names its partner, and another content of it is kept as a conflict", async () => {
  const { page } = merchant;
  const shop = await follow(browser, demo.link);
  await shop.context.close();
  const sale = boots(newOrderID(), shop.clickID);
  assert.equal((await report("/v1/conversions", sale)).status, 200);

  // The program counts earlier clicks, too: until these are known the order waits.
  const [order, , amount, outcome, partner, commission] = await until("the order to be decided", () => findOrder(page, sale.order_id), (row) => row[3] !== "awaiting path");
  assert.equal(order, sale.order_id);
  assert.equal(amount, "GBP 151.17");
  assert.equal(outcome, "credited");
  assert.equal(partner, "Trail Notes");
  assert.equal(commission, "GBP 17.70 pending and 3.54 to the network");

  const other = { ...sale, amount: 12912, lines: sale.lines.slice(0, 1) };
  assert.equal((await report("/v1/conversions", other)).status, 200);
  assert.equal((await report("/v1/conversions", sale)).status, 200, "the first content again is a repetition");
  await until("the mark on the order", () => findOrder(page, sale.order_id), (row) => row[0].includes("conflict"));
  await page.getByRole("link", { name: sale.order_id, exact: true }).click();
  await page.getByRole("link", { name: "Compare both versions" }).click();
  const conflict = page.locator("#conflicts .conflict");
  await conflict.first().waitFor();
  assert.equal(await conflict.count(), 1, "the repetition is no conflict");
  assert.doesNotMatch(await conflict.innerText(), /^Time$/mu, "no time was stated in either");
  const differing = await conflict.locator(".diff").allInnerTexts();
  assert.ok(differing.includes("GBP 151.17") && differing.includes("GBP 129.12"), differing.join(" | "));

  assert.match((await facts(page.locator("dl.stats"))).Commission, /^GBP 17\.70/u, "the first report counts");
  assert.match(await page.locator("details", { hasText: "Network fee" }).innerText(), /17\.70 × 20 % = 3\.54, so GBP 3\.54/u);
});

test("an API key reports orders until it is revoked", async () => {
  const { page } = merchant;
  const label = `till ${newOrderID()}`;
  await page.goto(`${demo.dashboard}/merchant/developers`);
  await page.getByLabel("Label of a new key").fill(label);
  await page.getByRole("button", { name: "Issue key" }).click();
  const key = (await page.locator("#issued").innerText()).trim();
  await page.reload(); // the browser sends the form again
  await page.getByRole("alert").waitFor();
  assert.equal(await page.getByText(key).count(), 0, "the key is shown once");
  assert.equal(await page.locator("tr", { hasText: label }).count(), 1, "and is the only one of its label");

  const sale = boots(newOrderID());
  await until("an answer to the new key", () => report("/v1/conversions", sale, key), ({ status }) => status === 200);
  const row = page.locator("tr", { hasText: label });
  await row.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("button", { name: "Revoke key" }).locator("visible=true").click();
  await row.getByText("revoked").waitFor();
  const refused = await until("the refusal of the revoked key", () => report("/v1/conversions", sale, key), ({ status }) => status !== 200);
  assert.equal(refused.status, 401, JSON.stringify(refused.answer));
});

test("terms from a day on are set, without scripts as well, once it is said what they mean", async () => {
  const plain = await browser.newContext({ javaScriptEnabled: false });
  await plain.addCookies(await merchant.context.cookies());
  const page = await plain.newPage();
  await page.goto(`${demo.dashboard}/merchant/programs`);
  await page.getByRole("link", { name: "Set new terms" }).first().click();
  await page.getByLabel("In force from, UTC").fill(new Date(Date.now() + 7 * 86_400_000).toISOString().slice(0, 16));
  const rate = page.getByRole("group", { name: "Rule 4" }).getByLabel("Percent"); // of sites, for all other goods
  await rate.fill("101");
  await page.getByRole("button", { name: "Check", exact: true }).click();
  assert.match(await page.locator(".wrong").innerText(), /"101" is not a percentage/u);
  await rate.fill("11.5");
  await page.getByRole("button", { name: "Price the example" }).click();
  assert.match(await page.locator("#example").innerText(), /The partner earns GBP 11\.50\./u);
  await page.getByRole("button", { name: "Check", exact: true }).click();
  assert.match(await page.locator("main").innerText(), /The partner earns GBP 11\.50\.[^]*on top: GBP 2\.30\. You pay GBP 13\.80 in all\./u);
  await page.getByRole("button", { name: "Set these terms" }).click();
  await page.waitForURL(`${demo.dashboard}/merchant/programs`);
  assert.match(await page.locator("main").innerText(), /Version 3 is set/u);
  await page.locator("details.more > summary", { hasText: "All 3 versions" }).first().click();
  assert.match(await page.locator("main").innerText(), /Version 3\s+To come/u);
  await plain.close();
});

test("an order is priced as terms are typed", async () => {
  const { page, context } = await signIn(browser, "merchant");
  await page.goto(`${demo.dashboard}/merchant/programs`);
  await page.getByRole("link", { name: "Set new terms" }).first().click();
  await page.getByRole("group", { name: "Rule 4" }).getByLabel("Percent").fill("12.5");
  await page.locator("#example", { hasText: "The partner earns GBP 12.50." }).waitFor();
  await page.getByLabel("Amount", { exact: true }).fill("1x");
  await page.locator("#example", { hasText: "Fix what is marked" }).waitFor();
  await context.close();
});

test("a merchant sees nothing of another's", async () => {
  const { context, page } = await signIn(browser, "merchant", { nth: 1 });
  const shop = await follow(browser, demo.link);
  await shop.context.close();
  const sale = boots(newOrderID(), shop.clickID);
  assert.equal((await report("/v1/conversions", sale)).status, 200);
  await findOrder(merchant.page, sale.order_id);
  await merchant.page.getByRole("link", { name: sale.order_id, exact: true }).click();
  await merchant.page.waitForURL(/\/merchant\/orders\/\d+$/u);
  assert.equal((await page.goto(merchant.page.url())).status(), 404, `for ${login("merchant", 1).email}`);
  await context.close();
});
