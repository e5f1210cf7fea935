// Every page of every role, narrow and wide, light and dark: it answers, its browser has nothing to complain of, it does
// not scroll sideways, and people who cannot see it or point at it can use it.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { demo, login } from "./demo.mjs";
import { fillSignIn, openBrowser, signIn, visitor } from "./browser.mjs";
import { isFile, pathsFor, roles } from "./routes.mjs";

const examiner = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const pictures = process.env.E2E_SCREENSHOTS;
const widths = [1440, 390];

let browser;
before(async () => {
  if (pictures) mkdirSync(pictures, { recursive: true });
  browser = await openBrowser();
});
after(() => browser.close());

// complaints collects what the browser says against a page: errors in its console, violations of the content policy among
// them, scripts that threw, and parts that did not load.
function complaints(page) {
  const list = [];
  page.on("console", (m) => { if (["error", "warning"].includes(m.type())) list.push(`console: ${m.text()}`); });
  page.on("pageerror", (e) => list.push(`script: ${e.message}`));
  page.on("requestfailed", (r) => {
    const reason = r.failure()?.errorText;
    if (reason !== "net::ERR_ABORTED") list.push(`not loaded: ${r.url()}: ${reason}`); // aborted: by leaving the page
  });
  return list;
}

// barriers are axe-core's findings that keep somebody out. A theme changes nothing but colours, so the second one is
// examined for its contrast alone.
async function barriers(page, theme) {
  if (theme === "light") await page.evaluate(examiner);
  const { violations } = await page.evaluate((only) => window.axe.run(document, { resultTypes: ["violations"], ...only }),
    theme === "light" ? {} : { runOnly: ["color-contrast"] });
  return violations.filter((v) => ["serious", "critical"].includes(v.impact))
    .map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => `${n.target.join(" ")} (${n.failureSummary.split("\n").at(-1).trim()})`).join("; ")}`);
}

// sideways gives the widths of a page that is wider than its window, else nothing.
function sideways(page) {
  return page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return scrollWidth > clientWidth ? [`${scrollWidth} px wide in a window of ${clientWidth}`] : [];
  });
}

// inspect looks at the page that is open in both themes and gives everything that is wrong with it.
async function inspect(page, name, width) {
  const wrong = [];
  for (const theme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: theme });
    wrong.push(...(await sideways(page)).map((text) => `${theme}: ${text}`));
    wrong.push(...(await barriers(page, theme)).map((text) => `${theme}: ${text}`));
    if (pictures) await page.screenshot({ path: join(pictures, `${name}-${width}-${theme}.png`), fullPage: true });
  }
  return wrong;
}

// mostHTML bounds a page as it is sent, in bytes: with the style sheet, the scripts and the font, of which dashboard/asset holds the
// size, a first visit loads at most 80 KB.
const mostHTML = 24 * 1024;

// nameOf is a route as part of a file's name.
const nameOf = (route, role) => (route.name ?? route.path).replace(`/${role}`, "").replaceAll(/[/:]+/gu, "-").replace(/^-/u, "") || "overview";

for (const role of roles) {
  test(`the pages of role ${role}`, async (t) => {
    const { context, page } = await signIn(browser, role);
    const heard = complaints(page);
    const paths = await pathsFor(role, page);
    for (const width of widths) {
      await page.setViewportSize({ width, height: 900 });
      for (const route of paths.filter((r) => !isFile(r))) {
        await t.test(`${route.path} at ${width} px`, async () => {
          heard.length = 0;
          const response = await page.goto(demo.dashboard + route.path);
          assert.equal(response.status(), 200);
          const { responseBodySize } = await response.request().sizes();
          assert.ok(responseBodySize <= mostHTML, `${responseBodySize} bytes`);
          const wrong = await inspect(page, `${role}-${nameOf(route, role)}`, width);
          assert.deepEqual([...heard, ...wrong], []);
        });
      }
    }
    for (const route of paths.filter(isFile)) {
      await t.test(route.path, async () => {
        const response = await context.request.get(demo.dashboard + route.path);
        assert.equal(response.status(), 200);
        assert.match(response.headers()["content-type"], /^text\/csv/u);
        assert.ok((await response.text()).split("\n").length > 1, "a header and rows");
      });
    }
    await context.close();
  });
}

test("pages for nobody in particular", async (t) => {
  const context = await visitor(browser);
  const page = await context.newPage();
  const heard = complaints(page);
  for (const width of widths) {
    await page.setViewportSize({ width, height: 900 });
    await t.test(`sign-in at ${width} px`, async () => {
      heard.length = 0;
      assert.equal((await page.goto(`${demo.dashboard}/signin`)).status(), 200);
      assert.deepEqual([...heard, ...await inspect(page, "everyone-signin", width)], []);
    });
    await t.test(`a wrong password at ${width} px`, async () => {
      await fillSignIn(page, { ...login("partner"), password: "not the password" });
      await page.getByRole("alert").waitFor();
      assert.deepEqual(await inspect(page, "everyone-signin-refused", width), []);
    });
    await t.test(`an address without a page at ${width} px`, async () => {
      assert.equal((await page.goto(`${demo.dashboard}/nothing/here`)).status(), 404);
      assert.deepEqual(await inspect(page, "everyone-404", width), []);
    });
    await t.test(`the demo's shop at ${width} px`, async () => {
      heard.length = 0;
      assert.equal((await page.goto(demo.link)).status(), 200);
      assert.deepEqual([...heard, ...await inspect(page, "everyone-shop", width)], []);
      await page.getByRole("button", { name: "Buy" }).first().click();
      await page.getByRole("heading", { name: "is placed" }).waitFor();
      assert.deepEqual([...heard, ...await inspect(page, "everyone-shop-order", width)], []);
    });
  }
  await context.close();
});
