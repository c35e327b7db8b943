// The test server on Node's ws; ../README.md says what each path does.
// It prints "PORT <number>" when it serves and "CLOSED <code> <reason>" for each connection's end.
//
// node server.mjs [host [certificate key]]

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";

import { WebSocketServer } from "ws";

const [host = "127.0.0.1", certificate, key] = process.argv.slice(2);
const supported = ["v2.interop", "v1.interop"];

const httpServer = certificate
  ? createSecureServer({ cert: readFileSync(certificate), key: readFileSync(key) })
  : createServer();

const server = new WebSocketServer({
  server: httpServer,
  perMessageDeflate: true,
  handleProtocols: (offered) => supported.find((name) => offered.has(name)) ?? false,
});

/** Send what the path asks for before any message came. */
function begin(socket, url, request) {
  if (url.pathname === "/headers") {
    socket.send(JSON.stringify({ target: request.url, headers: request.headers }));
  } else if (url.pathname === "/ping") {
    socket.on("pong", (payload) => {
      socket.send(payload.toString() === "are you there?" ? "answered" : "changed");
    });
    socket.ping("are you there?");
  } else if (url.pathname === "/large") {
    const everyByte = Uint8Array.from({ length: 256 }, (_, value) => value);
    socket.send(Buffer.alloc(Number(url.searchParams.get("size")), everyByte));
  }
}

/** Answer one message: its echo, in three fragments on /fragments, or the close of /close. */
function answer(socket, url, data, binary) {
  if (url.pathname === "/close") {
    socket.close(Number(url.searchParams.get("code")), url.searchParams.get("reason") ?? "");
  } else if (url.pathname === "/fragments") {
    const characters = binary ? data : Array.from(data.toString());
    const piece = (from, to) =>
      binary ? characters.subarray(from, to) : characters.slice(from, to).join("");
    socket.send(piece(0, 3), { binary, fin: false });
    socket.send(piece(3, 6), { binary, fin: false });
    socket.send(piece(6), { binary, fin: true });
  } else {
    socket.send(data, { binary });
  }
}

server.on("connection", (socket, request) => {
  const url = new URL(request.url, "ws://ignored");
  socket.on("message", (data, binary) => answer(socket, url, data, binary));
  socket.on("close", (code, reason) => console.log(`CLOSED ${code} ${reason}`));
  socket.on("error", (error) => console.log(`ERROR ${error.message}`));
  begin(socket, url, request);
});

httpServer.listen(0, host, () => console.log(`PORT ${httpServer.address().port}`));
