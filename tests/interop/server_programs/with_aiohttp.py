"""A client on aiohttp that carries out a plan; ../README.md says what a plan is.

It is run by Debian's Python.

python3 with_aiohttp.py PLAN
"""

import asyncio
import base64
import json
import sys
from pathlib import Path
from typing import Any

import aiohttp


async def carry_out(plan: dict[str, Any], socket: aiohttp.ClientWebSocketResponse) -> dict:
    result: dict[str, Any] = {
        "subprotocol": socket.protocol or "",
        "extensions": "permessage-deflate" if socket.compress else "",
        "echoed": 0,
    }
    for text in plan["texts"]:
        await socket.send_str(text)
        if plan.get("echo", True):
            assert await socket.receive_str() == text, "another echo"
            result["echoed"] += 1
    for encoded in plan["binaries"]:
        data = base64.b64decode(encoded)
        await socket.send_bytes(data)
        assert await socket.receive_bytes() == data, "another echo"
        result["echoed"] += 1
    if "ping" in plan:
        await socket.ping(plan["ping"].encode())
        message = await socket.receive()
        assert message.type is aiohttp.WSMsgType.PONG, message
        result["pong"] = bytes(message.data).decode()
    if "close" in plan:
        code, reason = plan["close"]
        await socket.close(code=code, message=reason.encode())
        return {**result, "code": socket.close_code}
    message = await socket.receive()
    assert message.type is aiohttp.WSMsgType.CLOSE, message
    return {**result, "code": message.data, "reason": message.extra}


async def main() -> dict[str, Any]:
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    async with aiohttp.ClientSession() as session:
        try:
            connecting = session.ws_connect(
                plan["url"],
                origin=plan.get("origin"),
                protocols=plan.get("protocols", ()),
                compress=15,
                autoping=False,
                max_msg_size=0,
            )
            async with connecting as socket:
                return await carry_out(plan, socket)
        except aiohttp.WSServerHandshakeError as refusal:
            return {"status": refusal.status}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main())))
