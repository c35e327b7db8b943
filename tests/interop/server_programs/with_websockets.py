"""A client on the ``websockets`` library that carries out a plan; ../README.md says what that is.

python with_websockets.py PLAN
"""

import base64
import contextlib
import json
import ssl
import sys
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

TIMEOUT = 40


def tls_options(plan: dict[str, Any]) -> dict[str, Any]:
    if "ca" not in plan:
        return {}
    context = ssl.create_default_context(cafile=plan["ca"])
    if "certificate" in plan:
        context.load_cert_chain(plan["certificate"], plan["key"])
    return {"ssl": context, "server_hostname": plan.get("name")}


def carry_out(plan: dict[str, Any], connection: ClientConnection) -> dict[str, Any]:
    result: dict[str, Any] = {
        "subprotocol": connection.subprotocol or "",
        "extensions": connection.response.headers.get("Sec-WebSocket-Extensions", ""),
        "echoed": 0,
    }

    def exchange(message: Any, expected: str | bytes) -> None:
        connection.send(message)
        if plan.get("echo", True):
            answer = connection.recv(timeout=TIMEOUT)
            assert answer == expected, f"another echo than {len(expected)} of {type(expected)}"
            result["echoed"] += 1

    for text in plan["texts"]:
        exchange(text, text)
    for encoded in plan["binaries"]:
        data = base64.b64decode(encoded)
        exchange(data, data)
    if "fragments" in plan:
        exchange(iter(plan["fragments"]), "".join(plan["fragments"]))
    if "ping" in plan:
        assert connection.ping(plan["ping"]).wait(TIMEOUT)
        result["pong"] = plan["ping"]
    if "close" in plan:
        connection.close(*plan["close"])
    else:
        with contextlib.suppress(ConnectionClosed):
            connection.recv(timeout=TIMEOUT)
    return {**result, "code": connection.close_code, "reason": connection.close_reason}


def main() -> dict[str, Any]:
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        connection = connect(
            plan["url"],
            origin=plan.get("origin"),
            subprotocols=plan.get("protocols"),
            compression="deflate",
            max_size=None,
            open_timeout=TIMEOUT,
            proxy=None,
            **tls_options(plan),
        )
    except InvalidStatus as refusal:
        return {"status": refusal.response.status_code}
    except (OSError, EOFError) as error:
        return {"error": repr(error)}
    with connection:
        return carry_out(plan, connection)


if __name__ == "__main__":
    print(json.dumps(main()))
