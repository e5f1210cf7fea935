// The dashboard's pages, read from its own table of routes, so that a new page is tested without being named here.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { demo } from "./demo.mjs";

const table = readFileSync(new URL("../../dashboard/routes.go", import.meta.url), "utf8");
const byPermission = { Anyone: "everyone", OwnAccount: "anybody" };
const byPath = { partner: "partner", merchant: "merchant", network: "operator" };

// routes are all that answer to GET: path, and who may open it.
export const routes = [...table.matchAll(/\{get, "([^"]+)", access\.(\w+),/gu)].map(([, path, may]) => {
  const who = byPermission[may] ?? byPath[path.split(/[./]/u)[1]];
  if (!who) throw new Error(`dashboard/routes.go has a path whose readers the browser test does not know: ${path}`);
  return { path, who };
});
if (routes.length < 20) throw new Error(`dashboard/routes.go reads as ${routes.length} routes: its form has changed`);

export const roles = ["partner", "merchant", "operator"];

// elsewhere are lists that stand at another address than their entries.
const elsewhere = {
  "/network/orders": "/network/review",
  "/merchant/orders/:order/disputes/:dispute": "/merchant/disputes",
  "/network/orders/:order/disputes/:dispute": "/network/disputes",
};

// mayLack are pages of which a demo may have none: nobody has reviewed several orders at once. Files may be of what one entry has and
// another has not.
const mayLack = ["/merchant/review/acts/:act", "/network/review/acts/:act"];

// isFile tells routes that are downloads from pages.
export const isFile = ({ path }) => path.endsWith(".csv");

// pathsFor gives the addresses that a role may open. Where a route has a parameter, the first entry of its list, or the first
// that the page of the list's first entry leads to, stands for all.
export async function pathsFor(role, page) {
  const links = async (path) => {
    await page.goto(demo.dashboard + path);
    return page.locator("main a[href]").evaluateAll((all) => all.map((a) => a.getAttribute("href")));
  };
  const first = (hrefs, pattern) => hrefs.find((href) => new RegExp(`^${pattern}(\\?|$)`, "u").test(href));
  const paths = [];
  for (const route of routes.filter((r) => r.who === role || r.who === "anybody")) {
    const [named, ...parameters] = route.path.split("/:");
    const list = elsewhere[route.path] ?? elsewhere[named] ?? named;
    if (!parameters.length) {
      paths.push(route);
      continue;
    }
    const pattern = route.path.replaceAll(/:\w+/gu, "\\d+");
    const find = async () => {
      const listed = await links(list);
      const parent = first(listed, `${named}/\\d+`);
      return first(listed, pattern) ?? (parent && first(await links(parent), pattern));
    };
    let entry = await find();
    if (!entry && (isFile(route) || mayLack.includes(route.path))) continue;
    for (let tries = 0; !entry && tries < 30; tries++) { // a demo that has just begun has yet to bring it
      await sleep(1000);
      entry = await find();
    }
    if (!entry) throw new Error(`${list} has no entry to stand for ${route.path}`);
    paths.push({ ...route, path: entry, name: route.path });
  }
  return paths;
}
