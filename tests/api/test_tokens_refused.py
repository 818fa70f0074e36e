"""A token that is not good in every part is refused, and little is said about it."""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any, cast

import jwt
import pytest

from runmanager.api.application import open_api
from runmanager.api.context import Context
from runmanager.settings import Settings
from runmanager.tokens import Tokens
from tests.api.conftest import SECRET, client_of
from tests.api.tokens import (
    COOKIE_KEY,
    EC_PEM,
    ISSUER,
    OTHER,
    RSA_PEM,
    SETTINGS,
    USER,
    assert_refused,
    by_hand,
    good,
    in_seconds,
    part,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import FastAPI
    from starlette.testclient import TestClient

    from runmanager.service import RunManager
    from tests.api.conftest import Caller, OpenCaller


def raw_claim(name: str, literal: str) -> str:
    """The good claims as JSON text, with one value as it is written."""
    text = json.dumps(good(**{name: "@"}))
    return text.replace('"@"', literal)


def with_header(**header: Any) -> str:
    return by_hand(good(), {"alg": "HS256", "typ": "JWT"} | header)


def swapped(algorithm: str) -> str:
    """Signed by one key, and named after another's algorithm."""
    _header, payload, signature = by_hand(good()).split(".")
    return f"{part({'alg': algorithm})}.{payload}.{signature}"


GOOD = by_hand(good(exp=in_seconds(3600)))
BAD: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "a word": lambda: "garbage",
    "dots": lambda: "..",
    "more dots": lambda: "....",
    "words with dots": lambda: "a.b.c",
    "not ASCII": lambda: "é.ü.ß",
    "spaces": lambda: f"{GOOD} {GOOD}",
    "100 kB": lambda: "a" * 100_000,
    "100 kB of claims": lambda: by_hand(good(padding="a" * 75_000)),
    "alg none": lambda: f"{part({'alg': 'none'})}.{part(good())}.",
    "alg None": lambda: f"{part({'alg': 'None'})}.{part(good())}.",
    "alg none, signed": lambda: by_hand(good(), {"alg": "none"}),
    "no alg": lambda: by_hand(good(), {"typ": "JWT"}),
    "alg null": lambda: by_hand(good(), {"alg": None}),
    "alg a list": lambda: by_hand(good(), {"alg": ["HS256"]}),
    "alg HS512": lambda: jwt.encode(good(), SECRET * 2, algorithm="HS512"),
    "alg hs256": lambda: swapped("hs256"),
    "alg RS256 by name": lambda: swapped("RS256"),
    "alg RS256 by an unknown key": lambda: jwt.encode(good(), RSA_PEM, algorithm="RS256"),
    "alg ES256 by an unknown key": lambda: jwt.encode(good(), EC_PEM, algorithm="ES256"),
    "another secret": lambda: by_hand(good(), key=OTHER),
    "no secret at all": lambda: by_hand(good(), key=""),
    "the cookie's key": lambda: by_hand(good(), key=COOKIE_KEY),
    "the dashboard's cookie": lambda: jwt.encode(
        {"username": "ada", "exp_date": time.time() + 3600}, COOKIE_KEY, algorithm="HS256"
    ),
    "the dashboard's cookie by our secret": lambda: by_hand(
        {"username": "ada", "exp_date": time.time() + 3600}
    ),
    "signature cut": lambda: GOOD[:-1],
    "signature stripped": lambda: GOOD.rsplit(".", 1)[0] + ".",
    "signature left out": lambda: GOOD.rsplit(".", 1)[0],
    "signature of another": lambda: (
        GOOD.rsplit(".", 1)[0] + "." + by_hand(good(sub="x")).rsplit(".", 1)[1]
    ),
    "claims changed": lambda: ".".join(
        [GOOD.split(".")[0], part(good(sub="id-0002")), GOOD.split(".")[2]]
    ),
    "a part more": lambda: f"{GOOD}.{part('x')}",
    "expired": lambda: by_hand(good(exp=in_seconds(-31))),
    "expired long ago": lambda: by_hand(good(exp=0)),
    "no exp": lambda: by_hand(good(exp=None)),
    "exp null": lambda: by_hand(raw_claim("exp", "null")),
    "exp a text": lambda: by_hand(good(exp="soon")),
    "exp a text of digits": lambda: by_hand(good(exp=str(int(time.time()) + 60))),
    "exp true": lambda: by_hand(good(exp=True)),
    "exp a list": lambda: by_hand(good(exp=[2_000_000_000])),
    "exp NaN": lambda: by_hand(raw_claim("exp", "NaN")),
    "exp infinite": lambda: by_hand(raw_claim("exp", "Infinity")),
    "exp 1e400": lambda: by_hand(raw_claim("exp", "1e400")),
    "exp huge": lambda: by_hand(good(exp=10**40)),
    "exp of 5,000 digits": lambda: by_hand(raw_claim("exp", "9" * 5000)),
    "not valid yet": lambda: by_hand(good(nbf=in_seconds(60))),
    "nbf a text": lambda: by_hand(good(nbf="now")),
    "nbf NaN": lambda: by_hand(raw_claim("nbf", "NaN")),
    "issued in the future": lambda: by_hand(good(iat=in_seconds(60))),
    "iat a text": lambda: by_hand(good(iat="now")),
    "no sub": lambda: by_hand(good(sub=None)),
    "sub null": lambda: by_hand(raw_claim("sub", "null")),
    "sub empty": lambda: by_hand(good(sub="")),
    "sub a list": lambda: by_hand(good(sub=[USER])),
    "sub an object": lambda: by_hand(good(sub={"id": USER})),
    "sub true": lambda: by_hand(good(sub=True)),
    "sub a fraction": lambda: by_hand(good(sub=1.0)),
    "another issuer": lambda: by_hand(good(iss="https://host.example.evil")),
    "no issuer": lambda: by_hand(good(iss=None)),
    "issuer a list": lambda: by_hand(good(iss=[ISSUER])),
    "another audience": lambda: by_hand(good(aud="another")),
    "other audiences": lambda: by_hand(good(aud=["a", "b"])),
    "no audience": lambda: by_hand(good(aud=None)),
    "audience a number": lambda: by_hand(good(aud=1)),
    "claims a list": lambda: by_hand([good()]),
    "claims a text": lambda: by_hand('"ada"'),
    "claims no JSON": lambda: by_hand("{"),
    "claims not UTF-8": lambda: by_hand(b"\xff\xfe"),
    "claims nested deep": lambda: by_hand("[" * 5000),
    "header nested deep": lambda: f"{part('[' * 5000)}.{part(good())}.{part('x')}",
    "header a list": lambda: by_hand(good(), [1]),
    "header no JSON": lambda: by_hand(good(), "{"),
    "crit unknown": lambda: with_header(crit=["exp"], exp=0),
    "crit empty": lambda: with_header(crit=[]),
    "b64 false": lambda: with_header(crit=["b64"], b64=False),
    "kid a number": lambda: with_header(kid=7),
    "kid names a file": lambda: by_hand(good(), {"alg": "HS256", "kid": "/dev/null"}, key=""),
    "kid an injection": lambda: by_hand(
        good(), {"alg": "HS256", "kid": "x' UNION SELECT 'key"}, key="key"
    ),
    "jwk of its own": lambda: by_hand(
        good(), {"alg": "HS256", "jwk": {"kty": "oct", "k": part(OTHER)}}, key=OTHER
    ),
    "jku of its own": lambda: by_hand(
        good(), {"alg": "HS256", "jku": "http://127.0.0.1:1/keys"}, key=OTHER
    ),
    "x5u of its own": lambda: by_hand(
        good(), {"alg": "HS256", "x5u": "http://127.0.0.1:1/cert"}, key=OTHER
    ),
    "encrypted (JWE)": lambda: ".".join(
        [part({"alg": "dir", "enc": "A256GCM"}), "", part("iv"), part("text"), part("tag")]
    ),
    "JSON serialisation": lambda: json.dumps(
        {"payload": part(good()), "protected": part({"alg": "HS256"}), "signature": "x"}
    ),
}


@pytest.fixture
def strict(open_caller: OpenCaller) -> Caller:
    return open_caller(authorization=GOOD, **SETTINGS)


class NobodyAsks:
    """A service that fails the test by being asked anything."""

    is_database_reachable = None


@pytest.fixture
def stranger(api: FastAPI) -> Iterator[TestClient]:
    """A client without a token, of an API whose service must not be asked anything."""
    service = cast("RunManager", NobodyAsks())
    open_api(api, Context(service, Tokens(Settings(jwt_secrets=(SECRET,), **SETTINGS))))
    with client_of(api) as client:
        yield client


def test_a_good_token_is_let_in(strict: Caller) -> None:
    assert strict.json("/usernames") == {"usernames": []}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_token_is_refused_with_a_short_reason(
    stranger: TestClient, caplog: pytest.LogCaptureFixture, bad: Callable[[], str]
) -> None:
    caplog.set_level(logging.DEBUG)
    text = bad()
    header = [(b"Authorization", b"Bearer " + text.encode("utf-8"))]
    assert_refused(stranger, header, caplog if text else None)
    assert not text or text not in caplog.text


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Basic YWRhOmFkYQ==", f"Token {GOOD}", GOOD, f"Bearer{GOOD}"]
)
def test_another_scheme_is_no_token(stranger: TestClient, header: str) -> None:
    assert_refused(stranger, {"Authorization": header})


def test_no_header_is_no_token_nor_is_a_cookie_or_a_parameter(stranger: TestClient) -> None:
    assert_refused(stranger, {})
    assert_refused(stranger, {"Cookie": f"access_token={GOOD}; token={GOOD}"})
    assert stranger.get("/runs", params={"access_token": GOOD}).status_code == 401
