// Prints the first of four free ports in a row, which the demo needs.
import { createServer } from "node:net";

// hold listens on a port, 0 for any, and gives the server, or null when the port is taken.
function hold(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(null));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

for (;;) {
  const held = [await hold(0)];
  const first = held[0].address().port;
  for (let n = 1; n < 4 && first + n < 65536 && held.at(-1); n++) held.push(await hold(first + n));
  const free = held.length === 4 && held.at(-1);
  await Promise.all(held.filter(Boolean).map((server) => new Promise((closed) => { server.close(closed); })));
  if (free) {
    console.log(first);
    break;
  }
}
