import { openBrowser, signIn } from "./browser.mjs";
import { demo } from "./demo.mjs";
const browser = await openBrowser();
const out = process.env.OUT;
for (const [w, h, scheme] of [[1440, 900, "light"], [1440, 900, "dark"], [390, 844, "light"], [390, 844, "dark"]]) {
  const { context, page } = await signIn(browser, "merchant", { viewport: { width: w, height: h }, colorScheme: scheme });
  const wide = async (name) => { const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth); if (over > 0) console.log(name, w, "scrolls sideways by", over); };
  await page.goto(`${demo.dashboard}/merchant/programs`);
  const path = await page.locator("a[href$='/terms']").first().getAttribute("href");
  await page.goto(demo.dashboard + path);
  if (w === 1440 && scheme === "light") {
    console.log("before:", (await page.locator("#example").innerText()).slice(0, 120));
    const asked = page.waitForResponse((r) => r.request().method() === "POST");
    await page.locator("[name=rule0_percent]").fill("25");
    const answer = await asked;
    console.log(answer.status(), answer.request().postData()?.includes("do=price"));
    await page.waitForTimeout(500);
    console.log("after:", (await page.locator("#example").innerText()).slice(0, 200));
    await page.locator("[name=rule0_percent]").fill("250");
    await page.waitForTimeout(1200);
    console.log("wrong:", (await page.locator("#example").innerText()).slice(0, 200));
    await page.goto(demo.dashboard + path);
  }
  await wide("form");
  await page.screenshot({ path: `${out}/form-${w}-${scheme}.png`, fullPage: true });
  await page.getByRole("button", { name: "Add a bonus" }).click();
  await page.locator("[name=currency]").selectOption({ index: 1 });
  await page.locator("[name=period0_tier0_from]").fill("500");
  await page.locator("[name=period0_tier0_value]").fill("2");
  await page.locator("[name=example_orders]").fill("20");
  await page.locator("[name=rule0_percent]").fill("x");
  await page.getByRole("button", { name: "Check", exact: true }).click();
  await wide("errors");
  await page.screenshot({ path: `${out}/errors-${w}-${scheme}.png`, fullPage: true });
  await page.locator("[name=rule0_percent]").fill("12");
  await page.getByRole("button", { name: "Check", exact: true }).click();
  await wide("confirm");
  await page.screenshot({ path: `${out}/confirm-${w}-${scheme}.png`, fullPage: true });
  await page.getByRole("button", { name: "Back to the form" }).click();
  await page.getByRole("button", { name: "Show as text" }).click();
  await page.locator("#reference summary").click();
  await wide("text");
  await page.screenshot({ path: `${out}/text-${w}-${scheme}.png`, fullPage: true });
  await page.goto(`${demo.dashboard}/merchant/periods`);
  await wide("periods");
  await page.screenshot({ path: `${out}/periods-${w}-${scheme}.png` });
  await context.close();
}
await browser.close();
