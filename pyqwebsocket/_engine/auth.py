"""Answers to a 401: Basic (RFC 7617) and Digest (RFC 7616, MD5 and SHA-256, quality ``auth``)."""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110 section 5.6.2
_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
_SCHEME: Final = re.compile(rf"[\s,]*({_TOKEN})(?:\s+|(?=,)|$)")
_PARAMETER: Final = re.compile(rf"[\s,]*({_TOKEN})\s*=\s*({_QUOTED}|{_TOKEN})\s*(?=,|$)")
_TOKEN68: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*\s*(?=,|$)")
_ESCAPED: Final = re.compile(r"\\(.)")

_HASHES: Final[dict[str, Callable[..., Any]]] = {"md5": hashlib.md5, "sha-256": hashlib.sha256}
_STRENGTH: Final = ("basic", "md5", "sha-256")  # weakest first


class Challenge(NamedTuple):
    """One way in that the server offers: a scheme (in lower case) and its parameters."""

    scheme: str
    parameters: dict[str, str]

    @property
    def realm(self) -> str:
        """What the credentials are for, in the server's words."""
        return self.parameters.get("realm", "")

    @property
    def stale(self) -> bool:
        """Whether only the nonce was out of date, and the same credentials may be sent again."""
        return self.parameters.get("stale", "").lower() == "true"

    @property
    def algorithm(self) -> str:
        """What the answer rests on: ``basic``, or the hash of Digest without its ``-sess``."""
        if self.scheme == "basic":
            return "basic"
        return self.parameters.get("algorithm", "MD5").lower().removesuffix("-sess")

    @property
    def usable(self) -> bool:
        """Whether ``answer()`` can answer it."""
        if self.scheme == "basic":
            return True
        if self.scheme != "digest" or self.algorithm not in _HASHES:
            return False
        qualities = self.parameters.get("qop")
        return "nonce" in self.parameters and (qualities is None or "auth" in _words(qualities))


def parse_challenges(fields: Iterable[str]) -> list[Challenge]:
    """The challenges in the values of ``WWW-Authenticate`` (RFC 9110 section 11.6.1).

    What cannot be understood ends the reading of its field; the challenges before it count.
    """
    challenges: list[Challenge] = []
    for field in fields:
        position = 0
        while scheme := _SCHEME.match(field, position):
            parameters, position = _parse_parameters(field, scheme.end())
            challenges.append(Challenge(scheme[1].lower(), parameters))
    return challenges


def _parse_parameters(field: str, position: int) -> tuple[dict[str, str], int]:
    parameters: dict[str, str] = {}
    while parameter := _PARAMETER.match(field, position):
        name, value = parameter.groups()
        if value.startswith('"'):
            value = _ESCAPED.sub(r"\1", value[1:-1])
        parameters.setdefault(name.lower(), value)
        position = parameter.end()
    if not parameters and (token68 := _TOKEN68.match(field, position)):
        position = token68.end()
    return parameters, position


def strongest(challenges: Iterable[Challenge]) -> Challenge | None:
    """The usable challenge that gives least away: SHA-256 before MD5 before Basic."""
    usable = [challenge for challenge in challenges if challenge.usable]
    return max(usable, key=lambda it: _STRENGTH.index(it.algorithm), default=None)


def answer(challenge: Challenge, *, user: str, password: str, method: str, target: str) -> bytes:
    """The value of ``Authorization`` for a usable challenge.

    Args:
        challenge: one that ``strongest()`` chose.
        user: the user's name.
        password: the user's password.
        method: the request's method.
        target: the request target exactly as it is sent (RFC 7616 section 3.4.6).
    """
    if challenge.scheme == "basic":
        credentials = _encode(f"{user}:{password}", challenge)
        return b"Basic " + base64.b64encode(credentials)
    return _digest_answer(challenge, user, password, method, target)


def _digest_answer(
    challenge: Challenge, user: str, password: str, method: str, target: str
) -> bytes:
    new_hash = _HASHES[challenge.algorithm]

    def digest(*parts: bytes) -> bytes:
        # MD5 is what the server asked for; the password's secrecy rests on TLS, not on it.
        return bytes(new_hash(b":".join(parts), usedforsecurity=False).hexdigest(), "ascii")

    # What the server sent goes back in the bytes in which it came.
    server = {name: value.encode("latin-1") for name, value in challenge.parameters.items()}
    realm, nonce, cnonce = server.get("realm", b""), server["nonce"], secrets.token_hex(16).encode()
    username, uri = _encode(user, challenge), target.encode()
    secret = digest(username, realm, _encode(password, challenge))
    if server.get("algorithm", b"").lower().endswith(b"-sess"):
        secret = digest(secret, nonce, cnonce)
    request = digest(method.encode(), uri)
    fields = [
        b"username=" + _quoted(username),
        b"realm=" + _quoted(realm),
        b"nonce=" + _quoted(nonce),
        b"uri=" + _quoted(uri),
    ]
    if "qop" in server:
        response = digest(secret, nonce, b"00000001", cnonce, b"auth", request)
        fields += [b"qop=auth", b"nc=00000001", b"cnonce=" + _quoted(cnonce)]
    else:  # RFC 2069, which RFC 7616 still knows as the absence of qop
        response = digest(secret, nonce, request)
    fields.append(b"response=" + _quoted(response))
    fields += [b"algorithm=" + server["algorithm"]] if "algorithm" in server else []
    fields += [b"opaque=" + _quoted(server["opaque"])] if "opaque" in server else []
    return b"Digest " + b", ".join(fields)


def _encode(text: str, challenge: Challenge) -> bytes:
    """UTF-8 where the server asks for it or nothing else will do, Latin-1 as Qt otherwise."""
    if challenge.parameters.get("charset", "").upper() != "UTF-8":
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:
            pass
    return text.encode(errors="replace")


def _words(text: str) -> list[str]:
    return [word.strip().lower() for word in text.split(",")]


def _quoted(text: bytes) -> bytes:
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
