// A partner's day: a link is made and followed, an order comes through it, and its commission is explained.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { boots, demo, newOrderID, report } from "./demo.mjs";
import { card, facts, follow, openBrowser, patience, rows, signIn, until } from "./browser.mjs";

let browser;
before(async () => { browser = await openBrowser(); });
after(() => browser.close());

// makeLink fills in the form for a link of the first merchant and gives the address that the copy button copies.
async function makeLink(page, label) {
  await page.goto(`${demo.dashboard}/partner/links`);
  await page.getByRole("link", { name: "New link" }).first().click();
  const program = page.getByLabel("Program");
  await program.selectOption({ label: (await program.locator("option", { hasText: "Fernhill" }).innerText()).trim() });
  await page.getByLabel("Label").fill(label);
  await page.getByRole("button", { name: "Make link" }).click();
  await page.getByRole("heading", { name: label }).waitFor();
  await page.getByRole("button", { name: "Copy" }).click();
  await page.getByText("Copied").waitFor();
  return page.evaluate(() => navigator.clipboard.readText());
}

// openOrder waits on the list of commissions, which says by itself that there are new ones and moves nothing before one
// asks to see them, and opens an order as soon as it is there.
async function openOrder(page, order) {
  const link = page.getByRole("link", { name: order, exact: true });
  const news = page.getByRole("button", { name: /\d+ new – show/u });
  const first = page.locator("#results a.row").first();
  const top = await first.innerText();
  await until("the order to be listed", async () => {
    if (await news.isVisible()) {
      assert.equal(await first.innerText(), top, "the rows stay where they are until somebody asks");
      await news.click();
      return true;
    }
    return link.isVisible();
  }, Boolean);
  await until("the order to be there", async () => {
    if (await news.isVisible()) await news.click();
    return link.isVisible();
  }, Boolean);
  await link.click({ timeout: patience });
  await page.getByRole("heading", { name: `Order ${order}` }).waitFor();
}

test("an order through a new link is explained to the last digit, and a refund changes it", async () => {
  const { context, page } = await signIn(browser, "partner", { permissions: ["clipboard-read", "clipboard-write"] });
  const label = `Autumn letter ${Date.now()}`;
  const link = await makeLink(page, label);
  assert.ok(link.startsWith(`${demo.tracker}/c/`), link);

  const shop = await follow(browser, link);
  assert.equal(new URL(shop.page.url()).pathname, "/fernhill-outdoor");
  assert.match(await shop.page.locator(".arrived").innerText(), new RegExp(shop.clickID));
  await shop.context.close();

  await page.goto(`${demo.dashboard}/partner/commissions`);
  const order = newOrderID();
  const sale = boots(order, shop.clickID);
  const { status, answer } = await report("/v1/conversions", sale);
  assert.equal(status, 200, JSON.stringify(answer));
  assert.equal(answer.click.valid, true);
  await openOrder(page, order);

  const stats = await facts(page.locator("dl.stats"));
  assert.match(stats.Commission, /^GBP 17\.70/u);
  assert.match(stats["Order amount"], /^GBP 151\.17/u);
  assert.match(stats.Pending, /^GBP 17\.70 hold ends /u);
  assert.match(stats.Payable, /^GBP 0\.00/u);
  assert.match(await page.locator(".head").innerText(), /You earn GBP 17\.70 on this order.*within the window of 30 days/u);

  const lists = await card(page, "The order and the terms").locator("dl").all(); // of the order, then of each credit
  const inputs = Object.assign({}, ...await Promise.all(lists.map(facts)));
  assert.equal(inputs.Merchant, "Fernhill Outdoor");
  assert.equal(inputs.Program, "Fernhill Outdoor partners");
  assert.match(inputs.Terms, /^Version 2, in force from \d/u);
  assert.match(inputs.Hold, /^30 days from the receipt of the order, until \d/u);
  assert.match(inputs["Network fee"], /^20 % of the commission/u);
  assert.match(inputs["Order amount"], /^GBP 151\.17 in 2 lines$/u);
  assert.match((await rows(card(page, "Who could have earned")))[0].join(" | "), new RegExp(`click on link “${label}” \\(${link.split("/").at(-1)}\\) .*\\| earns \\|`, "u"));

  assert.deepEqual(await rows(card(page, "Commission")), [
    ["footwear 1 line", "12 %", "129.12 × 12 % = 15.4944", "15.49"],
    ["all 1 line", "10 %", "22.05 × 10 % = 2.205", "2.21"],
  ]);
  assert.deepEqual(await rows(card(page, "Each line’s part")), [
    ["1 BOOT-41 1 piece · footwear", "129.12", "–", "129.12", "footwear", "15.49"],
    ["2 SOCK-3 3 pieces · clothing", "22.05", "–", "22.05", "all", "2.21"],
  ]);

  const refund = await report("/v1/refunds", { order_id: order, refund_id: `${order}-R1`, items: [{ sku: "SOCK-3", quantity: 1 }] });
  assert.equal(refund.status, 200, JSON.stringify(refund.answer));
  const changed = await until("the commission after the refund", async () => {
    await page.reload();
    return rows(card(page, "Each line’s part"));
  }, (list) => list[1][2] !== "–");
  assert.deepEqual(changed[1], ["2 SOCK-3 3 pieces · clothing", "22.05", "−7.35", "14.70", "all", "1.47"]);
  assert.match((await facts(page.locator("dl.stats"))).Commission, /^GBP 16\.96 before refunds 17\.70/u);
  await context.close();
});

test("an order placed by a click in the shop's page earns as well", async () => {
  const shop = await follow(browser, demo.link);
  await shop.page.locator(".goods li", { hasText: "BOOT-41" }).getByRole("button", { name: "Buy" }).click();
  const [, order] = (await shop.page.getByRole("heading", { level: 2 }).innerText()).match(/^Order (\S+) is placed$/u);

  const { context, page } = await signIn(browser, "partner");
  await page.goto(`${demo.dashboard}/partner/commissions`);
  await openOrder(page, order);
  assert.match((await facts(page.locator("dl.stats"))).Commission, /^GBP 15\.48/u); // 12 % of 129.00
  await shop.context.close();
  await context.close();
});
