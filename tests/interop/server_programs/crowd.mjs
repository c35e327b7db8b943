// Many clients on Node's ws: all are open at once, then each sends its messages one by one.
//
// node crowd.mjs FOLDER_OF_NODE_MODULES CLIENTS MESSAGES URL...
//
// CLIENTS is the number for each URL. Prints {"opened": N, "echoed": N, "wrong": N, "closed": N}.

import { createRequire } from "node:module";
import { join } from "node:path";
import { once } from "node:events";

const [folder, clients, messages, ...urls] = process.argv.slice(2);
const WebSocket = createRequire(join(folder, "package.json"))("ws");
const AT_ONCE = 40; // connections in the making; the system's queue takes no more than 50
const result = { opened: 0, echoed: 0, wrong: 0, closed: 0 };

/** Open the clients numbered from *queue* until none is left. */
async function open(queue, sockets) {
  for (let number = queue.pop(); number !== undefined; number = queue.pop()) {
    const socket = new WebSocket(urls[number % urls.length], { perMessageDeflate: false });
    await once(socket, "open");
    socket.number = number;
    sockets.push(socket);
    result.opened += 1;
  }
}

async function talk(socket) {
  for (let index = 0; index < Number(messages); index += 1) {
    const sent = `client ${socket.number}, message ${index}`;
    socket.send(sent);
    const [data] = await once(socket, "message");
    result[data.toString() === sent ? "echoed" : "wrong"] += 1;
  }
}

async function close(socket) {
  socket.close(1000);
  const [code] = await once(socket, "close");
  if (code === 1000) result.closed += 1;
}

const queue = Array.from({ length: Number(clients) * urls.length }, (_, number) => number);
const sockets = [];
await Promise.all(Array.from({ length: AT_ONCE }, () => open(queue, sockets)));
await Promise.all(sockets.map(talk));
await Promise.all(sockets.map(close));
console.log(JSON.stringify(result));
