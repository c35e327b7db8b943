"""Encoders and decoders that others wrote, to judge the engine's by.

What one of them decodes is told in plain tuples: ``("text", str)``, ``("binary", bytes)``,
``("ping", bytes)``, ``("pong", bytes)``, ``("close", code)`` and ``("failure", code)``.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import wsproto.connection
from websockets.frames import Opcode
from websockets.protocol import Protocol, Side
from websockets.protocol import State as WebsocketsState
from wsproto import events as w

from engine.transcript import CLIENT, SERVER, connection, feed, frame
from pyqwebsocket._engine.connection import Role

Told = list[tuple[Any, ...]]


OPCODES = {"text": 1, "binary": 2, "ping": 9, "pong": 10}


class Sent(NamedTuple):
    """A message in fragments (of text: its UTF-8), or a control frame with one payload."""

    kind: str
    fragments: Sequence[bytes]

    def frames(self) -> list[bytes]:
        """As a server sends it."""
        opcode, last = OPCODES[self.kind], len(self.fragments) - 1
        return [
            frame(0 if index else opcode, fragment, fin=index == last)
            for index, fragment in enumerate(self.fragments)
        ]

    def told(self) -> tuple[Any, ...]:
        data = b"".join(self.fragments)
        return self.kind, data.decode() if self.kind == "text" else data


def other(role: Role) -> Role:
    return SERVER if role is CLIENT else CLIENT


# Decoders: what an endpoint in this role makes of the pieces


def told_by_engine(role: Role, pieces: Iterable[bytes]) -> Told:
    """The engine itself, in the words of this module."""
    seen = feed(connection(role), *pieces)
    names = {"text message": "text", "binary message": "binary"}
    return [
        event[:2] if event[0] in ("close", "failure") else (names.get(event[0], event[0]), event[1])
        for event in seen
    ]


def told_by_wsproto(role: Role, pieces: Iterable[bytes]) -> Told:
    kind = wsproto.connection.ConnectionType[role.name]
    conn, told, message = wsproto.connection.Connection(kind), [], []
    for piece in pieces:
        conn.receive_data(piece)
        for event in conn.events():
            if isinstance(event, w.CloseConnection):
                code = 1000 if event.code == 1005 else int(event.code)
                failed = conn.state is wsproto.connection.ConnectionState.OPEN
                return [*told, ("failure" if failed else "close", code)]
            if isinstance(event, w.Message):
                message.append(event.data)
                if event.message_finished:
                    text = isinstance(event, w.TextMessage)
                    data = ("" if text else b"").join(message)
                    told.append(("text" if text else "binary", data))
                    message = []
            elif isinstance(event, w.Ping):
                told.append(("ping", bytes(event.payload)))
            elif isinstance(event, w.Pong):
                told.append(("pong", bytes(event.payload)))
    return told


def websockets_protocol(role: Role) -> Protocol:
    return Protocol(Side[role.name], state=WebsocketsState.OPEN, max_size=None)


def told_by_websockets(role: Role, pieces: Iterable[bytes]) -> Told:
    """It knows frames, not messages, and leaves UTF-8 to its user."""
    protocol, told, message, kind = websockets_protocol(role), [], b"", ""
    for piece in pieces:
        protocol.receive_data(piece)
    for event in protocol.events_received():
        if event.opcode is Opcode.CLOSE:
            code = protocol.close_rcvd.code if protocol.close_rcvd else 0
            told.append(("close", 1000 if code == 1005 else int(code)))
        elif event.opcode in (Opcode.PING, Opcode.PONG):
            told.append((event.opcode.name.lower(), bytes(event.data)))
        else:
            kind = kind if event.opcode is Opcode.CONT else event.opcode.name.lower()
            message += event.data
            if event.fin:
                told.append((kind, message.decode() if kind == "text" else message))
                message = b""
    return told


# Encoders: what an endpoint in this role sends


def encoded_by_wsproto(role: Role, sent: Iterable[Sent]) -> bytes:
    conn = wsproto.connection.Connection(wsproto.connection.ConnectionType[role.name])
    data = b""
    for kind, fragments in sent:
        if kind in ("ping", "pong"):
            data += conn.send((w.Ping if kind == "ping" else w.Pong)(payload=fragments[0]))
            continue
        for index, fragment in enumerate(fragments, 1):
            last = index == len(fragments)
            if kind == "text":  # wsproto takes characters only
                data += conn.send(w.TextMessage(data=fragment.decode(), message_finished=last))
            else:
                data += conn.send(w.BytesMessage(data=fragment, message_finished=last))
    return data


def encoded_by_websockets(role: Role, sent: Iterable[Sent]) -> bytes:
    protocol = websockets_protocol(role)
    for kind, fragments in sent:
        if kind in ("ping", "pong"):
            (protocol.send_ping if kind == "ping" else protocol.send_pong)(fragments[0])
            continue
        first = protocol.send_text if kind == "text" else protocol.send_binary
        for index, fragment in enumerate(fragments, 1):
            (first if index == 1 else protocol.send_continuation)(
                fragment, fin=index == len(fragments)
            )
    return b"".join(protocol.data_to_send())
