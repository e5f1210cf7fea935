// Who may see what: nobody without signing in, no role another's pages, no partner another's commissions.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { demo, login } from "./demo.mjs";
import { fillSignIn, openBrowser, signIn, visitor } from "./browser.mjs";
import { pathsFor, roles, routes } from "./routes.mjs";

let browser;
before(async () => { browser = await openBrowser(); });
after(() => browser.close());

// get asks for an address with a browser's cookies and does not follow where it leads.
const get = (context, path) => context.request.get(demo.dashboard + path, { maxRedirects: 0 });

// anyNumber fills the parameters of a route: who may open it is decided before anything is looked up.
const anyNumber = (path) => path.replaceAll(/:\w+/gu, "1");

test("without signing in every page leads to the sign-in, and from there to where one wanted to go", async () => {
  const context = await visitor(browser);
  for (const { path } of routes.filter((r) => r.who !== "everyone")) {
    const response = await get(context, anyNumber(path));
    assert.equal(response.status(), 303, path);
    assert.match(response.headers().location, /^\/signin\?next=/u, path);
  }
  const page = await context.newPage();
  await page.goto(`${demo.dashboard}/partner/links?days=7`);
  await fillSignIn(page, login("partner"));
  await page.waitForURL(`${demo.dashboard}/partner/links?days=7`);
  await context.close();
});

test("the pages of one role are closed to the others", async () => {
  for (const role of roles) {
    const { context } = await signIn(browser, role);
    for (const { path } of routes.filter((r) => roles.includes(r.who) && r.who !== role)) {
      assert.equal((await get(context, anyNumber(path))).status(), 403, `${path} for a ${role}`);
    }
    await context.close();
  }
});

test("another partner's commission, period and link do not exist", async () => {
  const owner = await signIn(browser, "partner");
  // Both partners are in the program.
  const own = (await pathsFor("partner", owner.page)).filter((route) => route.name && !route.name.includes(":program"));
  const other = await signIn(browser, "partner", { nth: 1 });
  assert.equal(own.length, 3);
  for (const { path } of own) {
    assert.equal((await get(owner.context, path)).status(), 200, path);
    assert.equal((await get(other.context, path)).status(), 404, path);
  }
  await owner.context.close();
  await other.context.close();
});

test("signing out ends the session, also for whoever kept its cookie", async () => {
  const { context, page } = await signIn(browser, "partner");
  const cookies = await context.cookies();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(`${demo.dashboard}/signin`);
  assert.equal((await get(context, "/partner")).status(), 303);
  await context.addCookies(cookies);
  assert.equal((await get(context, "/partner")).status(), 303, "with the cookie of before");
  await context.close();
});
