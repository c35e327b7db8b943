"""The test server on the ``websockets`` library; README.md says what each path does.

It prints ``PORT <number>`` when it serves and ``CLOSED <code> <reason>`` for each connection's end.
"""

import argparse
import hashlib
import http
import json
import ssl
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

USER, PASSWORD, REALM = "Mufasa", "Circle of Life", "interop sha"
NONCE, OPAQUE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "FQhe/qaU925kfnzjCev0ciny7QMk"


def handle(connection: ServerConnection) -> None:
    """Do what the path of the request asks for, then echo, until the connection ends."""
    url = urllib.parse.urlsplit(connection.request.path)
    query = dict(urllib.parse.parse_qsl(url.query))
    try:
        begin(connection, url.path, query)
        for message in connection:
            if url.path == "/close":
                connection.close(int(query["code"]), query.get("reason", ""))
            elif url.path == "/fragments":
                connection.send([message[:3], message[3:6], message[6:]])
            else:
                connection.send(message)
    except ConnectionClosed:
        pass
    print("CLOSED", connection.close_code, connection.close_reason, flush=True)


def begin(connection: ServerConnection, path: str, query: dict[str, str]) -> None:
    """Send what the path asks for before any message came."""
    if path == "/headers":
        headers = {name.lower(): value for name, value in connection.request.headers.raw_items()}
        connection.send(json.dumps({"target": connection.request.path, "headers": headers}))
    elif path == "/ping":
        pong = connection.ping(b"are you there?")
        connection.send("answered" if pong.wait(10) else "silent")
    elif path == "/large":
        connection.send(bytes(range(256)) * (int(query["size"]) // 256))


def choose_subprotocol(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Any:
    """Take the first of ours that the client offers, and none where it offers none of them."""
    return next((name for name in ("v2.interop", "v1.interop") if name in offered), None)


def ask_for_password(connection: ServerConnection, request: Request) -> Response | None:
    """Answer 401 on ``/digest`` until the request is right in every field of RFC 7616."""
    if not request.path.startswith("/digest"):
        return None
    complaint = digest_complaint(request)
    if complaint is None:
        return None
    response = connection.respond(http.HTTPStatus.UNAUTHORIZED, complaint)
    challenge = Headers(response.headers)
    challenge["WWW-Authenticate"] = (
        f'Digest realm="{REALM}", qop="auth, auth-int", algorithm=SHA-256, '
        f'nonce="{NONCE}", opaque="{OPAQUE}"'
    )
    return Response(response.status_code, response.reason_phrase, challenge, response.body)


def digest_complaint(request: Request) -> str | None:
    """Say what is wrong with the Authorization of *request*; None if nothing is."""
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Digest":
        return "no Digest"
    given = urllib.request.parse_keqv_list(urllib.request.parse_http_list(credentials))
    expected = {
        "username": USER,
        "realm": REALM,
        "nonce": NONCE,
        "opaque": OPAQUE,
        "uri": request.path,
        "algorithm": "SHA-256",
        "qop": "auth",
    }
    for name, value in expected.items():
        if given.get(name) != value:
            return f"{name} is {given.get(name)!r}, not {value!r}"
    secret = digest(f"{USER}:{REALM}:{PASSWORD}")
    resource = digest(f"GET:{request.path}")
    middle = f"{NONCE}:{given.get('nc')}:{given.get('cnonce')}:auth"
    if given.get("response") != digest(f"{secret}:{middle}:{resource}"):
        return "wrong response"
    return None


def digest(text: str) -> str:
    """Return the SHA-256 of *text* in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def main() -> None:
    """Serve until somebody ends the process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    arguments = parser.parse_args()
    context = None
    if arguments.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.certificate, arguments.key)
    with serve(
        handle,
        "127.0.0.1",
        0,
        ssl=context,
        select_subprotocol=choose_subprotocol,
        compression="deflate",
        process_request=ask_for_password,
        max_size=None,
    ) as server:
        print("PORT", server.socket.getsockname()[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
