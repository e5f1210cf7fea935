// What a page must be like under a finger, a keyboard and a printer.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { demo } from "./demo.mjs";
import { openBrowser, signIn } from "./browser.mjs";
import { isFile, pathsFor, roles } from "./routes.mjs";

let browser;
before(async () => { browser = await openBrowser(); });
after(() => browser.close());

// cramped names what can be pressed and is less than 44 pixels high, or wide where it shows no words. A row that is a link
// is pressed anywhere, a box to tick by its label too, and links within a sentence are as high as its line.
function cramped(page) {
  return page.evaluate(() => {
    const pressed = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")]
      .filter((e) => e.checkVisibility({ visibilityProperty: true }) && !e.matches(".skip, [aria-hidden=true]"))
      .filter((e) => !(e.matches("a") && e.closest("p, dd, li, td, h2, .notice, footer") && !e.matches(".btn, a.row")));
    return pressed.map((e) => {
      const box = ((e.matches("a.row") && e.closest("tr")) || (e.matches("[type=checkbox], [type=radio]") && e.closest("label")) || e).getBoundingClientRect();
      return { box, name: `${e.tagName} ${e.className} ${(e.ariaLabel ?? e.textContent).trim().slice(0, 30)}` };
    }).filter(({ box }) => box.height < 43.9 || box.width < 43.9)
      .map(({ box, name }) => `${name}: ${Math.round(box.width)} by ${Math.round(box.height)}`);
  });
}

for (const role of roles) {
  test(`what role ${role} presses is large enough for a finger`, async () => {
    for (const options of [{ viewport: { width: 390, height: 844 } }, { viewport: { width: 1180, height: 820 }, hasTouch: true, isMobile: true }]) {
      const { context, page } = await signIn(browser, role, options);
      for (const route of (await pathsFor(role, page)).filter((r) => !isFile(r))) {
        await page.goto(demo.dashboard + route.path);
        assert.deepEqual(await cramped(page), [], `${route.path} at ${options.viewport.width} px`);
      }
      await context.close();
    }
  });
}

test("Escape closes what floats above a page", async () => {
  const { context, page } = await signIn(browser, "partner");
  await page.goto(`${demo.dashboard}/partner`);
  const days = page.locator("details.pop");
  await days.locator("summary").click();
  await page.getByLabel("From").focus();
  await page.keyboard.press("Escape");
  assert.equal(await days.getAttribute("open"), null, "the choice of days");
  assert.equal(await days.locator("summary").evaluate((e) => e === document.activeElement), true, "the focus is where it came from");
  await days.locator("summary").click();
  await page.getByRole("heading", { level: 1 }).click();
  assert.equal(await days.getAttribute("open"), null, "a press elsewhere closes it as well");

  await page.locator("day-chart").first().focus();
  await page.keyboard.press("ArrowLeft");
  await page.locator(".chart-tip").first().waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await page.locator(".chart-tip").first().isVisible(), false, "the label of a day");
  await context.close();
});

test("a dialog opens on the button that changes nothing", async () => {
  const { context, page } = await signIn(browser, "merchant");
  await page.goto(`${demo.dashboard}/merchant/developers`);
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "BODY", "a closed dialog takes no focus");
  await page.getByRole("button", { name: "Revoke" }).first().click();
  const dialog = page.getByRole("dialog", { name: /^Revoke the key/u });
  await dialog.waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.textContent.trim()), "Keep it");
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "hidden" });
  await page.getByRole("button", { name: "Revoke" }).first().click();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  await context.close();
});

test("a key finds an order, and arrow keys walk to it", async () => {
  const { context, page } = await signIn(browser, "merchant");
  await page.goto(`${demo.dashboard}/merchant/orders`);
  const id = await page.locator("a.row").first().innerText();
  await page.keyboard.press("Control+k");
  const dialog = page.getByRole("dialog", { name: "Find anything" });
  await dialog.waitFor();
  await page.keyboard.type(id);
  await dialog.getByRole("link", { name: id }).first().waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/merchant\/orders\/\d+$/u);
  await page.keyboard.press("Control+k");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  await context.close();
});

test("without a script a phone's bar opens all pages, and anything is found", async () => {
  const { context, page } = await signIn(browser, "partner", { viewport: { width: 390, height: 844 }, javaScriptEnabled: false });
  const rail = page.getByRole("navigation", { name: "Pages", exact: true });
  assert.equal(await rail.isVisible(), false);
  await page.getByRole("navigation", { name: "Pages, short" }).getByRole("button", { name: "More" }).click();
  await rail.waitFor();
  assert.ok(await page.getByRole("button", { name: "Sign out" }).isVisible());
  await page.getByRole("link", { name: "Find anything" }).click();
  await page.getByLabel("Order id, link").first().fill("coupons");
  await page.getByRole("button", { name: "Find" }).click();
  await page.locator(".found").getByRole("link", { name: "Coupons Page" }).click();
  await page.waitForURL(`${demo.dashboard}/partner/coupons`);
  await context.close();
});

test("what is printed says what it is, whose, and from when", async () => {
  const { context, page } = await signIn(browser, "partner");
  await page.goto(`${demo.dashboard}/partner/commissions`);
  const head = page.locator(".print-only");
  assert.equal(await head.isVisible(), false, "not on a screen");
  await page.emulateMedia({ media: "print" });
  assert.match(await head.innerText(), /^Tributary · Trail Notes · Commissions · \d+ \w+ \d{4}, \d\d:\d\d:\d\d UTC$/u);
  assert.equal(await page.locator(".rail").isVisible(), false);
  await context.close();
});

test("a page is compressed on its way", async () => {
  const { context, page } = await signIn(browser, "merchant");
  const response = await page.goto(`${demo.dashboard}/merchant/orders`);
  assert.equal(response.headers()["content-encoding"], "gzip");
  await context.close();
});
