"""Answers to a 401, checked against the formulas of RFC 7616 and RFC 7617."""

import base64
import hashlib
import re
from typing import Any

import pytest

from pyqwebsocket._engine.auth import Challenge, answer, parse_challenges, strongest

# RFC 7616 section 3.9.1
REALM = "http-auth@example.org"
NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
OPAQUE = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
SECTION_3_9_1 = [
    f'Digest realm="{REALM}", qop="auth, auth-int", algorithm={hash_name}, nonce="{NONCE}", '
    f'opaque="{OPAQUE}"'
    for hash_name in ("SHA-256", "MD5")
]
MUFASA = {"user": "Mufasa", "password": "Circle of Life", "method": "GET"}


# The RFC's formulas, written anew


def fields_of(authorization: bytes, encoding: str = "latin-1") -> dict[str, str]:
    scheme, _, rest = authorization.decode(encoding).partition(" ")
    assert scheme == "Digest"
    found = re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^",\s]+))(?:, |$)', rest)
    assert ", ".join(f'{n}="{q}"' if not t else f"{n}={t}" for n, q, t in found) == rest
    assert len({name for name, _, _ in found}) == len(found)
    return {name: token or re.sub(r"\\(.)", r"\1", quoted) for name, quoted, token in found}


def expected_response(
    fields: dict[str, str],
    password: str,
    *,
    hash_name: str,
    session: bool,
    encoding: str = "latin-1",
) -> str:
    """RFC 7616 sections 3.4.1 to 3.4.3, or RFC 2069 where there is no qop."""

    def h(text: bytes) -> str:
        return hashlib.new(hash_name, text).hexdigest()

    def kd(secret: str, data: str) -> str:
        return h(f"{secret}:{data}".encode(encoding))

    a1 = f"{fields['username']}:{fields['realm']}:{password}".encode(encoding)
    if session:
        a1 = f"{h(a1)}:{fields['nonce']}:{fields['cnonce']}".encode()
    a2 = f"GET:{fields['uri']}".encode(encoding)
    if "qop" not in fields:
        return kd(h(a1), f"{fields['nonce']}:{h(a2)}")
    middle = ":".join(fields[name] for name in ("nonce", "nc", "cnonce", "qop"))
    return kd(h(a1), f"{middle}:{h(a2)}")


def challenge(text: str) -> Challenge:
    [found] = parse_challenges([text])
    return found


def digest(text: str, encoding: str = "latin-1", **kwargs: str) -> dict[str, str]:
    asked = MUFASA | {"target": "/dir/index.html"} | kwargs
    return fields_of(answer(challenge(text), **asked), encoding)


# Digest


@pytest.mark.parametrize(
    ("hash_name", "response"),
    [
        ("sha256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ("md5", "8ca523f5e9506fed4657c9700eebdbec"),
    ],
)
def test_the_formula_of_this_test_gives_the_responses_of_section_3_9_1(
    hash_name: str, response: str
):
    fields = {
        "username": "Mufasa",
        "realm": REALM,
        "uri": "/dir/index.html",
        "nonce": NONCE,
        "nc": "00000001",
        "cnonce": CNONCE,
        "qop": "auth",
    }
    made = expected_response(fields, "Circle of Life", hash_name=hash_name, session=False)
    assert made == response


@pytest.mark.parametrize(
    ("hash_name", "response"),
    [
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
    ],
)
def test_the_answers_of_section_3_9_1(
    hash_name: str, response: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("secrets.token_hex", lambda _: CNONCE)
    text = SECTION_3_9_1[hash_name == "MD5"]
    assert digest(text) == {
        "username": "Mufasa",
        "realm": REALM,
        "uri": "/dir/index.html",
        "algorithm": hash_name,
        "nonce": NONCE,
        "nc": "00000001",
        "cnonce": CNONCE,
        "qop": "auth",
        "response": response,
        "opaque": OPAQUE,
    }


def test_the_form_of_an_answer(monkeypatch: pytest.MonkeyPatch):
    """Which values are quoted is not free: RFC 7616 section 3.4."""
    monkeypatch.setattr("secrets.token_hex", lambda _: "c")
    made = answer(
        challenge('Digest realm="r", nonce="n", qop="auth", algorithm="MD5", opaque=o'),
        user="u",
        password="p",
        method="GET",
        target="/",
    )
    assert re.sub(rb"[0-9a-f]{32}", b"RESPONSE", made) == (
        b'Digest username="u", realm="r", nonce="n", uri="/", qop=auth, nc=00000001, cnonce="c", '
        b'response="RESPONSE", algorithm=MD5, opaque="o"'
    )


@pytest.mark.parametrize(
    ("algorithm", "hash_name", "session"),
    [
        ("", "md5", False),
        (", algorithm=MD5", "md5", False),
        (", algorithm=md5", "md5", False),
        (', algorithm="MD5-sess"', "md5", True),
        (", algorithm=SHA-256", "sha256", False),
        (", algorithm=sha-256-SESS", "sha256", True),
    ],
)
@pytest.mark.parametrize("qop", [', qop="auth"', ', qop="auth-int, auth"', ", qop=AUTH"])
def test_each_algorithm(algorithm: str, hash_name: str, session: bool, qop: str):
    fields = digest(f'Digest realm="r", nonce="n"{qop}{algorithm}')
    assert fields["qop"] == "auth"
    assert fields["response"] == expected_response(
        fields, "Circle of Life", hash_name=hash_name, session=session
    )
    assert fields.get("algorithm", "") == algorithm.partition("=")[2].strip('"')
    assert "opaque" not in fields


def test_a_challenge_without_qop_is_answered_as_in_rfc_2069():
    fields = digest('Digest realm="r", nonce="n", opaque=""')
    assert set(fields) == {"username", "realm", "nonce", "uri", "response", "opaque"}
    assert fields["response"] == expected_response(
        fields, "Circle of Life", hash_name="md5", session=False
    )


def test_the_answer_of_rfc_2069_section_2_4():
    """Its response is that of the erratum."""
    text = (
        'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
        'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    fields = digest(text, password="CircleOfLife")
    assert fields["response"] == "1949323746fe6a43ef61f9606e7febea"


def test_quotes_and_backslashes_are_escaped():
    fields = digest(
        r'Digest realm="a \"b\" \\c", nonce="n\"", qop="auth"', user='"quo\\ted"', target='/"x"'
    )
    assert fields["username"] == '"quo\\ted"'
    assert fields["realm"] == r'a "b" \c'
    assert fields["nonce"] == 'n"'
    assert fields["uri"] == '/"x"'
    assert fields["response"] == expected_response(
        fields, "Circle of Life", hash_name="md5", session=False
    )


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("", "latin-1"),
        (", charset=UTF-8", "utf-8"),
        (', charset="utf-8"', "utf-8"),
        (", charset=x", "latin-1"),
    ],
)
def test_the_encoding_is_latin_1_unless_the_server_asks_for_utf8(charset: str, encoding: str):
    fields = digest(
        f'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256{charset}',
        encoding,
        user="Jäsøn Doe",
        password="Secret ß",
    )
    assert fields["username"] == "Jäsøn Doe"
    assert fields["response"] == expected_response(
        fields, "Secret ß", hash_name="sha256", session=False, encoding=encoding
    )


def test_what_latin_1_cannot_say_goes_as_utf8():
    fields = digest('Digest realm="r", nonce="n"', "utf-8", user="Ж", password="€")
    assert fields["response"] == expected_response(
        fields, "€", hash_name="md5", session=False, encoding="utf-8"
    )


def test_a_realm_in_latin_1_comes_back_as_it_was():
    fields = digest('Digest realm="Zürich", nonce="n", qop="auth"')
    assert fields["realm"] == "Zürich"
    assert fields["response"] == expected_response(
        fields, "Circle of Life", hash_name="md5", session=False
    )


@pytest.mark.parametrize(("charset", "user"), [(", charset=UTF-8", "Jäsøn"), ("", "Ж")])
def test_a_realm_in_utf8_comes_back_as_it_was(charset: str, user: str):
    on_the_wire = f'Digest realm="Zürich", nonce="n", qop="auth"{charset}'.encode()
    made = answer(challenge(on_the_wire.decode("latin-1")), **MUFASA | {"user": user}, target="/")
    fields = fields_of(made, "utf-8")
    assert (fields["realm"], fields["username"]) == ("Zürich", user)
    assert fields["response"] == expected_response(
        fields, "Circle of Life", hash_name="md5", session=False, encoding="utf-8"
    )


def test_each_answer_has_a_nonce_of_its_own():
    made = {digest('Digest realm="r", nonce="n", qop="auth"')["cnonce"] for _ in range(10)}
    assert len(made) == 10
    assert all(len(cnonce) >= 16 for cnonce in made)


# Basic


@pytest.mark.parametrize(
    ("text", "user", "password", "credentials"),
    [
        ('Basic realm="WallyWorld"', "Aladdin", "open sesame", b"Aladdin:open sesame"),  # RFC 7617
        ('Basic realm="foo", charset="UTF-8"', "test", "123£", b"test:123\xc2\xa3"),  # section 2.1
        ('Basic realm="foo"', "test", "123£", b"test:123\xa3"),
        ('Basic realm="foo"', "test", "123€", b"test:123\xe2\x82\xac"),
        ('Basic realm="foo"', "lone", "\ud800", b"lone:?"),
        ("Basic", "", "", b":"),
    ],
)
def test_basic(text: str, user: str, password: str, credentials: bytes):
    made = answer(challenge(text), user=user, password=password, method="GET", target="/")
    assert made == b"Basic " + base64.b64encode(credentials)


# Challenges


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Basic", [("basic", {})]),
        ('BASIC Realm="x"', [("basic", {"realm": "x"})]),
        ('Basic realm="a, b=\\"c\\", Digest"', [("basic", {"realm": 'a, b="c", Digest'})]),
        (
            "Basic realm = token , charset =  UTF-8",
            [("basic", {"realm": "token", "charset": "UTF-8"})],
        ),
        (
            'Newauth realm="apps", type=1,   title="Login to \\"apps\\"", Basic realm="simple"',
            [
                ("newauth", {"realm": "apps", "type": "1", "title": 'Login to "apps"'}),
                ("basic", {"realm": "simple"}),
            ],
        ),  # RFC 9110 section 11.6.1
        (
            "Negotiate, NTLM, Basic realm=x",
            [("negotiate", {}), ("ntlm", {}), ("basic", {"realm": "x"})],
        ),
        ("Negotiate YWJj/+9=, Basic realm=x", [("negotiate", {}), ("basic", {"realm": "x"})]),
        ("Negotiate YWJj==", [("negotiate", {})]),
        (", ,Basic realm=x,,  ,Foo,", [("basic", {"realm": "x"}), ("foo", {})]),
        ("Basic realm=first, realm=second", [("basic", {"realm": "first"})]),
        ('Digest nonce="", realm=""', [("digest", {"nonce": "", "realm": ""})]),
        ("Basic,Basic", [("basic", {}), ("basic", {})]),
    ],
)
def test_challenges_are_read(text: str, found: list[tuple[str, dict[str, str]]]):
    assert parse_challenges([text]) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ",",
        ",,, ,",
        "=",
        '"',
        '"Basic"',
        "=x",
        "@",
        "\x00",
        "é",
        "a=b",
        'realm="x"',
        "\u2028",
    ],
)
def test_garbage_is_no_challenge(text: str):
    assert parse_challenges([text]) == []


@pytest.mark.parametrize(
    ("text", "usable"),
    [
        ('Basic realm="x", realm="unterminated', ["basic"]),
        ('Basic realm="x" garbage, Digest nonce=n', ["basic"]),
        ("Basic realm=x, @, Digest nonce=n", ["basic"]),
        ('Digest nonce="n" realm="no comma"', []),
        ('Digest realm="x\\', []),
    ],
)
def test_garbage_ends_the_reading_of_a_field_and_nothing_is_raised(text: str, usable: list[str]):
    assert [it.scheme for it in parse_challenges([text]) if it.usable][: len(usable)] == usable


def test_garbage_in_one_field_leaves_the_next_one_alone():
    assert parse_challenges(["@", "", "Basic realm=x"]) == [("basic", {"realm": "x"})]


@pytest.mark.parametrize(
    "text",
    [
        "," * 1_000_000,
        " " * 1_000_000,
        ", " * 500_000,
        '"' * 1_000_000,
        "\\" * 1_000_000,
        'Basic realm="' + "x" * 1_000_000,
        'Basic realm="' + '\\"' * 500_000,
        'Basic realm="' + "\\" * 999_999 + '"',
        "Basic realm=" + "x" * 1_000_000 + "@",
        "Basic realm=x" + " " * 1_000_000 + "@",
        "Basic realm" + " " * 1_000_000 + "@",
        "Basic " + "x" * 1_000_000 + "@",
        "Basic " + "x" * 1_000_000 + "=" * 1_000_000 + "@",
        "x" * 1_000_000,
        "x" * 1_000_000 + "@",
        "Basic " + "," * 1_000_000 + "@",
        "Basic " * 50_000,
        "Basic," * 50_000,
        "Basic realm=x," * 50_000,
        'Basic realm="x" ' * 50_000,
        "a=b," * 100_000,
        "a " + "b=c," * 100_000,
        "a " + "b=c " * 100_000,
        "a b =" * 100_000,
        'a b="' * 100_000,
        "a \t," * 100_000,
        "a" + " ," * 500_000 + "b" + ", " * 500_000 + "=",
    ],
    ids=range(27),
)
@pytest.mark.timeout(20)
def test_a_hostile_field_costs_no_more_than_its_length(text: str):
    """A quadratic look at any of these takes hours."""
    assert isinstance(parse_challenges([text]), list)


# Which challenge is answered


@pytest.mark.parametrize(
    ("fields", "scheme", "algorithm"),
    [
        (["Basic realm=b", *SECTION_3_9_1], "digest", "sha-256"),
        ([SECTION_3_9_1[1], "Basic realm=b"], "digest", "md5"),
        (["Basic realm=b, Digest nonce=n"], "digest", "md5"),
        (["Digest nonce=n, algorithm=SHA-512-256, Basic"], "basic", "basic"),
        (["Digest nonce=n, qop=auth-int, Basic"], "basic", "basic"),
        (['Digest realm="without nonce", Basic'], "basic", "basic"),
        (
            ["Digest nonce=n, algorithm=MD5-sess", "Digest nonce=n, algorithm=SHA-256-sess"],
            "digest",
            "sha-256",
        ),
        (["Negotiate", "NTLM", "Bearer realm=x", "Basic"], "basic", "basic"),
    ],
)
def test_the_strongest_challenge_is_answered(fields: list[str], scheme: str, algorithm: str):
    chosen = strongest(parse_challenges(fields))
    assert chosen is not None
    assert (chosen.scheme, chosen.algorithm) == (scheme, algorithm)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        ["Negotiate"],
        ["Digest"],
        ["Digest nonce=n, qop=auth-int"],
        ["Digest nonce=n, algorithm=x"],
    ],
)
def test_there_may_be_none_that_can_be_answered(fields: list[str]):
    assert strongest(parse_challenges(fields)) is None


def test_of_equals_the_first_is_answered():
    chosen = strongest(parse_challenges(["Basic realm=one", "Basic realm=two"]))
    assert chosen is not None
    assert chosen.realm == "one"


@pytest.mark.parametrize(
    ("text", "stale"),
    [
        ("stale=true", True),
        ('stale="TRUE"', True),
        ("stale=false", False),
        ("stale=1", False),
        ("x=y", False),
    ],
)
def test_stale(text: str, stale: bool):
    found: Any = challenge(f"Digest nonce=n, {text}")
    assert found.stale is stale


def test_a_challenge_may_have_no_realm():
    assert challenge("Basic").realm == ""
    assert challenge('Basic realm="x"').realm == "x"
