"""Tokens: who is let in, who is not, and what little is said about it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from runmanager.api.application import open_api
from runmanager.api.context import Context
from runmanager.settings import Settings
from runmanager.tokens import Tokens
from tests.api.conftest import PASSWORD, SECRET, bearer, claims, client_of, token
from tests.conftest import every_shape
from tests.passwords import set_password

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from fastapi import FastAPI
    from starlette.testclient import TestClient

    from runmanager.service import RunManager
    from tests.api.conftest import Caller, OpenCaller
    from tests.hosts import HostWriter

OTHER = "another secret, which is long enough as well"
COOKIE_KEY = "the key that signs the dashboard's cookie"
ISSUER, AUDIENCE = "https://host.example", "run-manager"
SETTINGS: dict[str, Any] = {
    "jwt_issuer": ISSUER,
    "jwt_audience": AUDIENCE,
    "cookie_key": COOKIE_KEY,
}
USER = "id-0001"  # of the admin that every host has


def private_pem(key: PrivateKeyTypes) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key: PrivateKeyTypes) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_PEM, EC_PEM = private_pem(RSA_KEY), private_pem(EC_KEY)


def part(value: object) -> str:
    text = value if isinstance(value, (str, bytes)) else json.dumps(value)
    data = text.encode() if isinstance(text, str) else text
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def by_hand(payload: object, header: object = None, *, key: str = SECRET) -> str:
    """A token signed by HS256, whatever it says of itself and whatever it holds."""
    signed = f"{part(header or {'alg': 'HS256', 'typ': 'JWT'})}.{part(payload)}"
    return f"{signed}.{part(hmac.digest(key.encode(), signed.encode(), hashlib.sha256))}"


def in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def good(**others: Any) -> dict[str, Any]:
    """The claims of a token that is good here, as plain JSON; None leaves one out."""
    found = claims(USER, **({"iss": ISSUER, "aud": AUDIENCE} | others))
    return {
        name: int(value.timestamp()) if isinstance(value, datetime) else value
        for name, value in found.items()
    }


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
    open_api(api, Context(service, Tokens(Settings(jwt_secret=SECRET, **SETTINGS))))
    with client_of(api) as client:
        yield client


def assert_refused(
    client: TestClient, headers: dict[str, str] | list[tuple[bytes, bytes]], log: Any = None
) -> None:
    client.headers.pop("Authorization", None)
    response = client.get("/runs", headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json() == {
        "detail": "The bearer token is missing or not valid: ask for a new one."
    }
    if log is not None:
        lines = [record.getMessage() for record in log.records if "runmanager" in record.name]
        assert len(lines) == 1
        assert lines[0].startswith("A token was refused: ")
        assert len(lines[0]) < 80
        assert lines[0].isascii()
        assert lines[0].isprintable()


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


def test_a_public_key_is_no_secret_to_sign_with(open_caller: OpenCaller) -> None:
    for pem in (public_pem(RSA_KEY), public_pem(EC_KEY)):
        caller = open_caller(jwt_secret="", jwt_public_key=pem)
        assert_refused(caller.client, bearer(by_hand(good(), key=pem)))
        assert_refused(caller.client, bearer(by_hand(good(), key=pem.strip())))
        assert_refused(caller.client, bearer(by_hand(good(), {"alg": "RS256"}, key=pem)))
        assert_refused(caller.client, bearer(GOOD))


@pytest.mark.parametrize(
    ("known", "sent", "algorithm"),
    [
        (RSA_KEY, EC_PEM, "ES256"),
        (EC_KEY, RSA_PEM, "RS256"),
        (RSA_KEY, RSA_PEM, "PS256"),
        (RSA_KEY, RSA_PEM, "RS512"),
        (RSA_KEY, private_pem(rsa.generate_private_key(65537, 2048)), "RS256"),
        (EC_KEY, private_pem(ec.generate_private_key(ec.SECP256R1())), "ES256"),
    ],
)
def test_another_key_or_algorithm_than_the_public_key_s(
    open_caller: OpenCaller, known: PrivateKeyTypes, sent: str, algorithm: str
) -> None:
    caller = open_caller(jwt_public_key=public_pem(known))
    assert_refused(caller.client, bearer(jwt.encode(good(), sent, algorithm=algorithm)))


@pytest.mark.parametrize(
    ("key", "pem", "algorithm"), [(RSA_KEY, RSA_PEM, "RS256"), (EC_KEY, EC_PEM, "ES256")]
)
def test_the_host_s_own_key_is_enough(
    open_caller: OpenCaller, key: PrivateKeyTypes, pem: str, algorithm: str
) -> None:
    text = token(USER, key=pem, algorithm=algorithm)
    caller = open_caller(authorization=text, jwt_secret="", jwt_public_key=public_pem(key))
    assert caller.json("/runs")["total"] == 0
    answer = caller.client.post("/token", data={"username": "ada", "password": PASSWORD})
    assert answer.status_code == 401
    assert "RUNMANAGER_JWT_SECRET is not set" in answer.json()["detail"]


@pytest.mark.parametrize("seconds", [-29, 0])
def test_clocks_may_differ_by_half_a_minute(caller: Caller, seconds: int) -> None:
    differing: tuple[dict[str, Any], ...] = (
        {"exp": in_seconds(seconds)},
        {"nbf": in_seconds(-seconds)},
        {"iat": in_seconds(-seconds)},
    )
    for times in differing:
        caller.client.headers.update(bearer(token(USER, **times)))
        caller.json("/runs")


@every_shape
def test_the_claim_may_be_another_one_and_a_number(
    host: HostWriter, open_caller: OpenCaller
) -> None:
    user: str | int = host.admin.user_id
    if host.shape.name == "integer":
        user = int(user)
    text = token(None, user_id=user)
    assert open_caller(authorization=text, jwt_claim="user_id").json("/runs")["total"] == 0


def test_the_claim_may_hold_a_name(host: HostWriter, open_caller: OpenCaller) -> None:
    host.add_user("grace")
    caller = open_caller(
        authorization=token(None, username="ada"), jwt_claim="username", jwt_names="username"
    )
    caller.json("/runs")
    for name, status in (("Ada", 403), ("grace", 403), (USER, 403), ("", 401), (7, 403)):
        caller.client.headers.update(bearer(token(USER, username=name)))
        caller.json("/runs", status)


def test_a_name_that_is_another_admin_s_id_is_only_a_name(
    host: HostWriter, open_caller: OpenCaller
) -> None:
    """Somebody who chooses their name must not become whoever has it as an id."""
    impostor = host.add_user(USER)
    by_id = open_caller(authorization=token(impostor))
    assert by_id.json("/runs", 403)["detail"].startswith("Only active administrators")
    by_name = open_caller(authorization=token(USER), jwt_names="username")
    by_name.json("/runs", 403)
    host.execute("UPDATE users SET is_admin = true WHERE id = %s", impostor)
    run = host.add_run()
    by_name.delete(run)
    assert host.is_gone(run)
    assert by_name.manager.signing_in.actor_of_token(USER, is_username=True).user_id == impostor


def test_two_users_of_one_name_are_nobody(host: HostWriter, open_caller: OpenCaller) -> None:
    host.add_user("ada", is_admin=True)
    open_caller(authorization=token("ada"), jwt_names="username").json("/runs", 403)


@pytest.mark.parametrize("user", ["nobody", "\0", "\ud800", "a" * 4000, -1, 10**30, "ada"])
def test_a_user_that_is_none_is_forbidden(caller: Caller, user: object) -> None:
    caller.client.headers.update(bearer(by_hand(good(sub=user))))
    caller.json("/runs", 403)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("UPDATE users SET is_admin = false", 403),
        ("UPDATE users SET is_admin = NULL", 403),
        ("UPDATE users SET is_active = false", 403),
        ("UPDATE users SET username = NULL", 403),
        ("DELETE FROM users", 403),
    ],
)
def test_an_admin_who_is_one_no_more_is_out_at_the_next_request(
    host: HostWriter, caller: Caller, change: str, status: int
) -> None:
    run = host.add_run()
    caller.json("/runs")
    host.execute(change)
    for path in ("/runs", "/usernames", "/workspaces", f"/runs/{run}", f"/runs/{run}/logs"):
        caller.json(path, status)
    caller.delete(run, status=status)
    caller.send("POST", "/deletion-plan", {"thread_ids": [run]}, status)
    assert not host.is_gone(run)


def test_without_a_key_nobody_is_let_in_and_the_log_says_so_once(
    open_caller: OpenCaller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "runmanager")
    caller = open_caller(jwt_secret="")
    for headers in ({}, bearer(GOOD), bearer(by_hand(good(), key="")), bearer("x")):
        assert_refused(caller.client, headers)
    sign_in = caller.client.post("/token", data={"username": "ada", "password": PASSWORD})
    assert sign_in.status_code == 401
    (record,) = (one for one in caplog.records if one.name.startswith("runmanager"))
    assert "set RUNMANAGER_JWT_SECRET or RUNMANAGER_JWT_PUBLIC_KEY" in record.getMessage()
    assert caller.client.get("/health").status_code == 200


# POST /token


def sign_in(caller: Caller, status: int = 200, **form: str) -> Any:
    form = {"username": "ada", "password": PASSWORD} | form
    response = caller.client.post("/token", data=form, headers={"Authorization": ""})
    assert response.status_code == status, response.text
    assert response.headers["cache-control"] == "no-store"
    return response.json()


@every_shape
def test_an_admin_gets_a_token_for_half_an_hour(host: HostWriter, caller: Caller) -> None:
    set_password(host, "ada", PASSWORD)
    answer = sign_in(caller, grant_type="password")
    assert list(answer) == ["access_token", "token_type", "expires_in"]
    assert (answer["token_type"], answer["expires_in"]) == ("bearer", 1800)
    found = jwt.decode(answer["access_token"], SECRET, algorithms=["HS256"], audience=AUDIENCE)
    assert set(found) == {"iss", "aud", "sub", "iat", "exp", "jti"}
    assert (found["iss"], found["sub"]) == ("run-manager", host.admin.user_id)
    assert found["exp"] - found["iat"] == 1800
    assert abs(found["iat"] - time.time()) < 60
    assert len(found["jti"]) > 16
    assert found["jti"] not in sign_in(caller)["access_token"]
    caller.client.headers.update(bearer(answer["access_token"]))
    caller.json("/runs")


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        {"jwt_claim": "username", "jwt_names": "username"},
        {"jwt_claim": "user_id"},
        {"jwt_names": "username"},
    ],
)
def test_its_own_token_is_good_whatever_is_configured(
    host: HostWriter, open_caller: OpenCaller, settings: dict[str, str]
) -> None:
    set_password(host, "ada", PASSWORD)
    caller = open_caller(**settings)
    caller.client.headers.update(bearer(sign_in(caller)["access_token"]))
    caller.json("/runs")


def test_a_user_who_is_no_admin_gets_none(host: HostWriter, caller: Caller) -> None:
    host.add_user("kate")
    host.add_user("alan", is_admin=True)
    host.execute("UPDATE users SET is_active = false WHERE username = 'alan'")
    for name in ("kate", "alan"):
        set_password(host, name, PASSWORD)
        sign_in(caller, 403, username=name)
        sign_in(caller, 401, username=name, password="wrong")


@pytest.mark.parametrize(
    "form",
    [
        {"password": "wrong"},
        {"password": PASSWORD.upper()},
        {"password": PASSWORD + "\0"},
        {"password": "x" * 73},
        {"password": "é" * 500},
        {"username": "nobody"},
        {"username": "ADA"},
        {"username": "ada\0"},
        {"username": "ada' --"},
        {"username": "x" * 1000},
    ],
)
def test_a_wrong_name_or_password_gets_none(
    host: HostWriter, caller: Caller, form: dict[str, str]
) -> None:
    set_password(host, "ada", PASSWORD)
    assert sign_in(caller, 401, **form) == {"detail": "The name or the password is wrong."}


@pytest.mark.parametrize("hashed", [None, "", PASSWORD, "$2b$12$" + "x" * 53, "$1$" + "a" * 57])
def test_a_user_without_a_bcrypt_hash_gets_none(
    host: HostWriter, caller: Caller, hashed: str | None
) -> None:
    host.execute("UPDATE users SET password_hash = %s", hashed)
    sign_in(caller, 401)
    sign_in(caller, 401, password=hashed or "none")


@pytest.mark.parametrize(
    "form",
    [
        {"username": ""},
        {"password": ""},
        {"username": "x" * 1001},
        {"password": "x" * 1001},
        {"grant_type": "client_credentials"},
    ],
)
def test_a_form_of_another_shape_is_refused(
    host: HostWriter, caller: Caller, form: dict[str, str]
) -> None:
    set_password(host, "ada", PASSWORD)
    detail = sign_in(caller, 422, **form)["detail"]
    assert [one["loc"] for one in detail] == [["body", *form]]


def test_an_unknown_name_takes_as_long_as_a_wrong_password(
    host: HostWriter, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_password(host, "ada", PASSWORD)
    checked = []

    def check(password: bytes, hashed: bytes) -> bool:
        checked.append((password, len(hashed)))
        return False

    monkeypatch.setattr("bcrypt.checkpw", check)
    for name in ("ada", "nobody", "\0"):
        sign_in(caller, 401, username=name, password="wrong")
    assert checked == [(b"wrong", 60)] * 3


def test_a_name_is_tried_ten_times_a_minute(host: HostWriter, caller: Caller) -> None:
    set_password(host, "ada", PASSWORD)
    set_password(host, "grace", PASSWORD)
    for _attempt in range(10):
        sign_in(caller, 401, username="nobody")
    for _attempt in range(3):
        response = caller.client.post("/token", data={"username": "nobody", "password": "x"})
        assert response.status_code == 429
        assert response.headers["retry-after"] == "60"
    sign_in(caller)


def test_one_name_does_not_use_up_what_all_have(caller: Caller) -> None:
    throttle = caller.context.sign_ins
    throttle.per_name, throttle.for_all = 2, 4
    for _attempt in range(20):
        caller.client.post("/token", data={"username": "\0", "password": ""})
    statuses = [
        caller.client.post("/token", data={"username": name, "password": "x" * 73}).status_code
        for name in ("a", "a", "a", "a", "b", "c", "d")
    ]
    assert statuses == [401, 401, 429, 429, 401, 401, 429]


def test_made_up_names_do_not_fill_the_memory(caller: Caller) -> None:
    throttle = caller.context.sign_ins
    throttle.for_all = 5
    for number in range(50):
        caller.client.post("/token", data={"username": f"name {number}", "password": "x" * 73})
    assert len(throttle._limiter.storage.events) <= 6  # type: ignore[attr-defined]


# The settings


def test_a_private_key_or_nonsense_is_refused_and_not_repeated() -> None:
    weak = public_pem(rsa.generate_private_key(65537, 1024))  # noqa: S505  on purpose
    other_curve = public_pem(ec.generate_private_key(ec.SECP384R1()))
    for pem in (RSA_PEM, EC_PEM, "nonsense", weak, other_curve, "-----BEGIN PUBLIC KEY-----"):
        with pytest.raises(Exception, match="RUNMANAGER_JWT_PUBLIC_KEY must be a public") as caught:
            Settings.from_environment({"RUNMANAGER_JWT_PUBLIC_KEY": pem})
        assert pem[40:60] not in str(caught.value) or not pem[40:60]
        assert not Tokens(Settings(jwt_public_key=pem)).is_configured


def test_a_public_key_may_have_its_line_breaks_as_two_characters() -> None:
    pem = public_pem(EC_KEY)
    found = Settings.from_environment({"RUNMANAGER_JWT_PUBLIC_KEY": pem.replace("\n", "\\n")})
    assert Tokens(found).subject(token(7, key=EC_PEM, algorithm="ES256")) == "7"


def test_a_key_file_is_no_secret() -> None:
    for text in (RSA_PEM, public_pem(RSA_KEY), public_pem(EC_KEY)):
        with pytest.raises(Exception, match="RUNMANAGER_JWT_SECRET holds a key file") as caught:
            Settings.from_environment({"RUNMANAGER_JWT_SECRET": text})
        assert text[40:60] not in str(caught.value)
