// Chromium, the people who use it, and what they read on a page.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { demo, login } from "./demo.mjs";

// patience bounds every wait for something to appear, in milliseconds: an order is on a page within two seconds, and
// lists ask for news every four.
export const patience = 15_000;

// agent is an everyday browser's. Chromium's own names it headless, and the tracker would mark its clicks as a bot's.
const agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

export function openBrowser() {
  return chromium.launch({
    executablePath: process.env.E2E_CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync",
    ],
  });
}

// visitor is somebody's browser without cookies.
export async function visitor(browser, options = {}) {
  const context = await browser.newContext({ userAgent: agent, viewport: { width: 1440, height: 900 }, reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(patience);
  return context;
}

// signIn gives the browser of somebody who has filled in the sign-in form, and the page it led to.
export async function signIn(browser, role, { nth = 0, ...options } = {}) {
  const context = await visitor(browser, options);
  const page = await context.newPage();
  await page.goto(`${demo.dashboard}/signin`);
  await fillSignIn(page, login(role, nth));
  await page.waitForURL((url) => url.pathname !== "/signin");
  return { context, page };
}

export async function fillSignIn(page, { email, password }) {
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

// follow opens a tracking link as a new visitor and gives the shop's page and the click id it received.
export async function follow(browser, link) {
  const context = await visitor(browser);
  const page = await context.newPage();
  await page.goto(link);
  const landing = new URL(page.url());
  assert.equal(landing.origin, demo.shop, "the link leads to the shop");
  return { context, page, clickID: landing.searchParams.get("tclid") };
}

// words is a text as it is read: blanks of any kind and number are one.
const words = (text) => text.replace(/\s+/gu, " ").trim();

// card is the part of a page under a heading.
export function card(page, heading) {
  return page.locator("section.card, details.card").filter({ has: page.locator("h2, summary", { hasText: heading }) });
}

// rows are the cells of a table's body, as they are read.
export async function rows(within) {
  const list = await within.locator("tbody tr").all();
  return Promise.all(list.map(async (row) => (await row.locator("td").allInnerTexts()).map(words)));
}

// facts are the terms of a list with what is said of each, all its descriptions as one text.
export function facts(within) {
  return within.evaluate((list) => {
    const out = {};
    for (const term of list.querySelectorAll("dt")) {
      const said = [];
      for (let d = term.nextElementSibling; d?.tagName === "DD"; d = d.nextElementSibling) said.push(d.innerText);
      out[term.innerText] = said.join(" ").replace(/\s+/gu, " ").trim();
    }
    return out;
  });
}

// until asks again until the answer satisfies, and gives it.
export async function until(what, ask, satisfied) {
  const end = Date.now() + patience;
  for (;;) {
    const answer = await ask();
    if (satisfied(answer)) return answer;
    if (Date.now() > end) assert.fail(`${what}: still ${JSON.stringify(answer)} after ${patience / 1000} s`);
    await new Promise((again) => { setTimeout(again, 100); });
  }
}
