// Prints the first of four free ports in a row, which the demo needs: of those that no system hands out by itself, so that no
// connection takes one of them before the demo listens.
import { randomInt } from "node:crypto";
import { createServer } from "node:net";

// hold listens on a port, and gives the server, or null when the port is taken.
function hold(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(null));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

for (;;) {
  const first = randomInt(12000, 30000);
  const held = [];
  for (let n = 0; n < 4; n++) held.push(await hold(first + n));
  await Promise.all(held.filter(Boolean).map((server) => new Promise((closed) => { server.close(closed); })));
  if (held.every(Boolean)) {
    console.log(first);
    break;
  }
}
