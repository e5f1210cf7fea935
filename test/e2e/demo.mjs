// The running demo: where it is, who may sign in, and the calls that a shop's server makes.
import { readFileSync } from "node:fs";

// demo is what `tributary demo --json` printed; test/e2e/run leaves it in the file that E2E_DEMO names.
export const demo = JSON.parse(readFileSync(process.env.E2E_DEMO, "utf8"));

// login gives the nth person of a role, counted from 0.
export function login(role, nth = 0) {
  return demo.logins.filter((l) => l.role === role)[nth];
}

// report posts to the tracker with a merchant's key and gives the status and the answer.
export async function report(path, body, key = demo.merchant_key) {
  const response = await fetch(demo.tracker + path, {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, answer: await response.json() };
}

let orders = 0;

// newOrderID is an id that no other order of this demo has, nor of an earlier run on the same folder.
export function newOrderID() {
  orders += 1;
  return `E2E-${Date.now().toString(36).toUpperCase()}-${orders}`;
}

// boots is an order of two lines. At the first merchant's terms it earns 12 % of 129.12 = 15.4944, so 15.49, and 10 % of
// 22.05 = 2.205, so 2.21: a tie, which rounding half to even would make 2.20.
export function boots(orderID, clickID) {
  return {
    order_id: orderID,
    amount: 15117,
    currency: "GBP",
    click_id: clickID,
    lines: [
      { sku: "BOOT-41", quantity: 1, amount: 12912, category: "footwear" },
      { sku: "SOCK-3", quantity: 3, amount: 2205, category: "clothing" },
    ],
  };
}
