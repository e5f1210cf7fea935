// The dashboard's pages, read from its own table of routes, so that a new page is tested without being named here.
import { readFileSync } from "node:fs";
import { demo } from "./demo.mjs";

const table = readFileSync(new URL("../../dashboard/routes.go", import.meta.url), "utf8");
const audiences = { everyone: "everyone", anybodySignedIn: "anybody", partnerOnly: "partner", merchantOnly: "merchant", operatorOnly: "operator" };

// routes are all that answer to GET: path, and who may open it.
export const routes = [...table.matchAll(/\{get, "([^"]+)", (\w+),/gu)].map(([, path, who]) => {
  if (!audiences[who]) throw new Error(`dashboard/routes.go has an audience that the browser test does not know: ${who}`);
  return { path, who: audiences[who] };
});
if (routes.length < 20) throw new Error(`dashboard/routes.go reads as ${routes.length} routes: its form has changed`);

export const roles = ["partner", "merchant", "operator"];

// isFile tells routes that are downloads from pages.
export const isFile = ({ path }) => path.endsWith(".csv");

// pathsFor gives the addresses that a role may open. Where a route has a parameter, the first entry of its list stands
// for all.
export async function pathsFor(role, page) {
  const paths = [];
  for (const route of routes.filter((r) => r.who === role || r.who === "anybody")) {
    const [list, parameter] = route.path.split("/:");
    if (!parameter) {
      paths.push(route);
      continue;
    }
    await page.goto(demo.dashboard + list);
    const hrefs = await page.locator("main a[href]").evaluateAll((all) => all.map((a) => a.getAttribute("href")));
    const below = parameter.replace(/^[^/]+/u, "");
    const entry = hrefs.find((href) => new RegExp(`^${list}/\\d+${below}(\\?|$)`, "u").test(href));
    if (!entry) throw new Error(`${list} has no entry to stand for ${route.path}`);
    paths.push({ ...route, path: entry, name: route.path });
  }
  return paths;
}
