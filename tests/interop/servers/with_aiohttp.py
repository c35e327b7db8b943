"""The test server on Debian's aiohttp; README.md says what each path does.

It prints ``PORT <number>`` when it serves and ``CLOSED <code> <reason>`` for each connection's end.
"""

import asyncio
import json

from aiohttp import WSMsgType, web


async def handle(request: web.Request) -> web.WebSocketResponse:
    """Do what the path of the request asks for, then echo, until the connection ends."""
    socket = web.WebSocketResponse(
        protocols=("v2.interop", "v1.interop"), autoping=False, compress=True, max_msg_size=0
    )
    await socket.prepare(request)
    await begin(request, socket)
    reason = ""
    while not socket.closed:
        message = await socket.receive()
        if message.type is WSMsgType.CLOSE:
            reason = message.extra
        elif message.type is WSMsgType.PING:
            await socket.pong(message.data)
        elif message.type is WSMsgType.PONG:
            await socket.send_str("answered")
        elif request.path == "/close":
            reason = request.query.get("reason", "")
            await socket.close(code=int(request.query["code"]), message=reason.encode())
        elif message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    print("CLOSED", socket.close_code, reason, flush=True)
    return socket


async def begin(request: web.Request, socket: web.WebSocketResponse) -> None:
    """Send what the path asks for before any message came."""
    if request.path == "/headers":
        headers = {name.lower(): value for name, value in request.headers.items()}
        await socket.send_str(json.dumps({"target": request.raw_path, "headers": headers}))
    elif request.path == "/ping":
        await socket.ping(b"are you there?")
    elif request.path == "/large":
        await socket.send_bytes(bytes(range(256)) * (int(request.query["size"]) // 256))


async def main() -> None:
    """Serve until somebody ends the process."""
    application = web.Application()
    application.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print("PORT", runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
