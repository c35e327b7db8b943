// A client on Node's ws that carries out a plan; ../README.md says what a plan is.
//
// node client.mjs FOLDER_OF_NODE_MODULES PLAN

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { once } from "node:events";

const [folder, planFile] = process.argv.slice(2);
const WebSocket = createRequire(join(folder, "package.json"))("ws");
const plan = JSON.parse(readFileSync(planFile, "utf8"));
const read = (name) => (plan[name] ? readFileSync(plan[name]) : undefined);

const socket = new WebSocket(plan.url, plan.protocols ?? [], {
  perMessageDeflate: true,
  origin: plan.origin,
  ca: read("ca"),
  cert: read("certificate"),
  key: read("key"),
  servername: plan.name,
});
const result = { echoed: 0 };

function print() {
  console.log(JSON.stringify(result));
  process.exit(0);
}

socket.on("unexpected-response", (request, response) => {
  result.status = response.statusCode;
  print();
});
socket.on("error", (error) => {
  result.error ??= error.message;
  print();
});
socket.on("close", (code, reason) => {
  Object.assign(result, { code, reason: reason.toString() });
  print();
});

/** Wait for the next message and see that it is *sent*. */
async function expectEcho(sent, isBinary) {
  const [data, binary] = await once(socket, "message");
  if (binary !== isBinary || !data.equals(Buffer.from(sent))) {
    throw new Error(`another echo than ${sent.length} of ${isBinary ? "bytes" : "text"}`);
  }
  result.echoed += 1;
}

async function carryOut() {
  await once(socket, "open");
  Object.assign(result, { subprotocol: socket.protocol, extensions: socket.extensions });
  for (const text of plan.texts) {
    socket.send(text);
    if (plan.echo ?? true) await expectEcho(text, false);
  }
  for (const encoded of plan.binaries) {
    const data = Buffer.from(encoded, "base64");
    socket.send(data);
    await expectEcho(data, true);
  }
  if (plan.fragments) {
    plan.fragments.forEach((piece, index) => {
      socket.send(piece, { fin: index === plan.fragments.length - 1 });
    });
    await expectEcho(plan.fragments.join(""), false);
  }
  if (plan.ping) {
    socket.ping(plan.ping);
    const [payload] = await once(socket, "pong");
    result.pong = payload.toString();
  }
  if (plan.close) socket.close(...plan.close);
}

carryOut().catch((error) => {
  result.error ??= error.message;
  print();
});
