"""Cookies that are not ours, or not for this: the sign-in page is all they open."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from runmanager.api.application import PREFIX
from runmanager.entrance.cookies import MAX_LENGTH, NAME, SECURE_NAME
from runmanager.entrance.requests import MAX_COOKIES
from runmanager.fingerprints import Fingerprints, derived_key
from runmanager.service.signing_in import key_of
from tests.entrance.conftest import HOST, KEY, SECRET, Browser
from tests.hosts import PASSWORD
from tests.passwords import set_password

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.entrance.conftest import OpenSite, Site
    from tests.hosts import HostWriter

COOKIE_KEY = derived_key(KEY, "session cookie")
RSA_KEY = rsa.generate_private_key(65537, 2048)


@dataclass(frozen=True)
class Known:
    """What an attacker may have: two cookies of their own, a token, and the claims inside."""

    ada: str
    grace: str
    ended: str
    token: str
    device: str

    def claims(self, of: str = "ada", **changes: Any) -> dict[str, Any]:
        """The claims of a cookie, some of them changed; None leaves one out."""
        found = jwt.decode(getattr(self, of), options={"verify_signature": False}) | changes
        return {name: value for name, value in found.items() if value is not None}

    def with_claims(self, of: str = "ada", **changes: Any) -> str:
        """A cookie of other claims, which the right key has signed: the store decides."""
        return signed(self.claims(of, **changes))

    @property
    def parts(self) -> list[str]:
        """Header, claims and signature of the good cookie."""
        return self.ada.split(".")


def signed(claims: dict[str, Any], key: str = COOKIE_KEY, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, key, algorithm=algorithm)


def part(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def by_hand(header: object, payload: object, key: str = COOKIE_KEY) -> str:
    """A cookie signed with HMAC-SHA-256, whatever it says of itself and whatever it holds."""
    text = f"{part(header)}.{part(payload)}"
    return f"{text}.{part(hmac.digest(key.encode(), text.encode(), hashlib.sha256))}"


HS = {"alg": "HS256", "typ": "JWT"}
LATER = int(time.time()) + 3600

FORGED: dict[str, Callable[[Known], str]] = {
    # Keys and algorithms
    "of another key": lambda k: signed(k.claims(), "another key of thirty-two bytes or more"),
    "of the configured key itself": lambda k: signed(k.claims(), KEY),
    "of the throttle's key": lambda k: signed(k.claims(), derived_key(KEY, "throttle")),
    "of the devices' key": lambda k: signed(k.claims(), derived_key(KEY, "device")),
    "of the passwords' key": lambda k: signed(k.claims(), derived_key(KEY, "password")),
    "of the tokens' secret": lambda k: signed(k.claims(), SECRET),
    "of a key that the tokens' secret makes": lambda k: signed(
        k.claims(), derived_key(SECRET, "session cookie")
    ),
    "of no key": lambda k: by_hand(HS, k.claims(), ""),
    "without a signature": lambda k: signed(k.claims(), "", "none"),
    "alg None": lambda k: by_hand(HS | {"alg": "None"}, k.claims()),
    "alg nOnE, unsigned": lambda k: f"{part(HS | {'alg': 'nOnE'})}.{part(k.claims())}.",
    "alg none, but signed": lambda k: by_hand(HS | {"alg": "none"}, k.claims()),
    "alg HS384": lambda k: signed(k.claims(), COOKIE_KEY, "HS384"),
    "alg HS512": lambda k: signed(k.claims(), COOKIE_KEY, "HS512"),
    "alg HS512, signed by HS256": lambda k: by_hand(HS | {"alg": "HS512"}, k.claims()),
    "alg RS256": lambda k: jwt.encode(k.claims(), RSA_KEY, algorithm="RS256"),
    "alg hs256": lambda k: by_hand(HS | {"alg": "hs256"}, k.claims()),
    "no alg": lambda k: by_hand({"typ": "JWT"}, k.claims()),
    "alg a list": lambda k: by_hand(HS | {"alg": ["HS256"]}, k.claims()),
    "alg a number": lambda k: by_hand(HS | {"alg": 256}, k.claims()),
    "alg null": lambda k: by_hand(HS | {"alg": None}, k.claims()),
    "brings its own key": lambda k: by_hand(
        HS | {"jwk": {"kty": "oct", "k": part(b"mine")}, "kid": "../../dev/null"},
        k.claims(),
        "mine",
    ),
    "names a key elsewhere": lambda k: by_hand(
        HS | {"jku": "https://evil.example/keys", "x5u": "https://evil.example"}, k.claims(), "mine"
    ),
    "demands what nobody knows": lambda k: by_hand(HS | {"crit": ["exp2"], "exp2": 1}, k.claims()),
    "a detached payload": lambda k: by_hand(HS | {"b64": False, "crit": ["b64"]}, k.claims()),
    # Parts
    "changed claims, kept signature": lambda k: ".".join(
        [k.parts[0], part(k.claims(uid="id-0002")), k.parts[2]]
    ),
    "a later expiry, kept signature": lambda k: ".".join(
        [k.parts[0], part(k.claims(exp=LATER * 2)), k.parts[2]]
    ),
    "another's signature": lambda k: ".".join([*k.parts[:2], k.grace.split(".")[2]]),
    "another's claims": lambda k: ".".join([k.parts[0], k.grace.split(".")[1], k.parts[2]]),
    "signature cut": lambda k: k.ada[:-4],
    "signature changed": lambda k: k.ada[:-4] + ("AAAA" if k.ada[-4:] != "AAAA" else "BBBB"),
    "signature longer": lambda k: k.ada + "AAAA",
    "signature empty": lambda k: ".".join([*k.parts[:2], ""]),
    "of two parts": lambda k: ".".join(k.parts[:2]),
    "of four parts": lambda k: f"{k.ada}.{k.parts[2]}",
    "of five parts": lambda k: ".".join([*k.parts, "x", "y"]),
    "of one part": lambda k: k.parts[1],
    "parts exchanged": lambda k: ".".join([k.parts[1], k.parts[0], k.parts[2]]),
    "only dots": lambda _k: "..",
    "empty": lambda _k: "",
    "no base64": lambda _k: "not.a.token",
    "claims no JSON": lambda _k: by_hand(HS, b"sid=1&uid=2"),
    "claims a list": lambda k: by_hand(HS, list(k.claims().items())),
    "claims a text": lambda k: by_hand(HS, json.dumps(k.claims())),
    "claims null": lambda _k: by_hand(HS, None),
    "claims not UTF-8": lambda _k: by_hand(HS, b"\xff\xfe{}"),
    "header a list": lambda k: by_hand([HS], k.claims()),
    "header no JSON": lambda k: by_hand(b"HS256", k.claims()),
    "nested deeply": lambda _k: by_hand(HS, b"[" * 2800),
    "nested deeply in its header": lambda k: by_hand(b'{"a":' * 550, k.claims()),
    "claims in capitals": lambda k: by_hand(HS, {a.upper(): b for a, b in k.claims().items()}),
    # Times
    "expired": lambda k: k.with_claims(exp=int(time.time()) - 1),
    "expired long ago": lambda k: k.with_claims(exp=0),
    "expired before time began": lambda k: k.with_claims(exp=-(10**15)),
    "without an expiry": lambda k: k.with_claims(exp=None),
    "with an expiry in words": lambda k: k.with_claims(exp="tomorrow"),
    "with an expiry that is a list": lambda k: k.with_claims(exp=[LATER]),
    "with an endless expiry": lambda _k: by_hand(HS, b'{"sid":"x","uid":"y","pw":"z","exp":1e999}'),
    "with an expiry that is none": lambda _k: by_hand(
        HS, b'{"sid":"x","uid":"y","pw":"z","exp":NaN}'
    ),
    "not good before tomorrow": lambda k: k.with_claims(nbf=LATER),
    # Whose: even the right key does not make these good
    "without a session": lambda k: k.with_claims(sid=None),
    "without a user": lambda k: k.with_claims(uid=None),
    "without a fingerprint": lambda k: k.with_claims(pw=None),
    "session a number": lambda k: k.with_claims(sid=7),
    "session a list": lambda k: k.with_claims(sid=[k.claims()["sid"]]),
    "session an object": lambda k: k.with_claims(sid={"$ne": ""}),
    "session empty": lambda k: k.with_claims(sid=""),
    "session made up": lambda k: k.with_claims(sid="x" * 32),
    "session a surrogate": lambda k: k.with_claims(sid="\ud800"),
    "session with NUL": lambda k: k.with_claims(sid=k.claims()["sid"] + "\0"),
    "session as the store knows it": lambda k: k.with_claims(sid=key_of(k.claims()["sid"])),
    "session as SQL": lambda k: k.with_claims(sid="' OR '1'='1"),
    "user a number": lambda k: k.with_claims(uid=1),
    "user empty": lambda k: k.with_claims(uid=""),
    "user true": lambda k: k.with_claims(uid=True),
    "user with a blank": lambda k: k.with_claims(uid=k.claims()["uid"] + " "),
    "user with NUL": lambda k: k.with_claims(uid=k.claims()["uid"] + "\0"),
    "another user": lambda k: k.with_claims(uid=k.claims("grace")["uid"]),
    "another user, with their fingerprint": lambda k: k.with_claims(
        uid=k.claims("grace")["uid"], pw=k.claims("grace")["pw"]
    ),
    "another's session": lambda k: k.with_claims(sid=k.claims("grace")["sid"]),
    "another's fingerprint": lambda k: k.with_claims(pw=k.claims("grace")["pw"]),
    "fingerprint empty": lambda k: k.with_claims(pw=""),
    "fingerprint of no password": lambda k: k.with_claims(
        pw=Fingerprints((KEY,)).of("password", "")
    ),
    "fingerprint of the password itself": lambda k: k.with_claims(
        pw=Fingerprints((KEY,)).of("password", PASSWORD)
    ),
    "fingerprint by another key": lambda k: k.with_claims(
        pw=Fingerprints((SECRET,)).of("password", PASSWORD)
    ),
    "fingerprint in capitals": lambda k: k.with_claims(pw=k.claims()["pw"].upper()),
    "fingerprint cut": lambda k: k.with_claims(pw=k.claims()["pw"][:-1]),
    "fingerprint not ASCII": lambda k: k.with_claims(pw="é" * 32),
    "fingerprint a surrogate": lambda k: k.with_claims(pw="\ud800"),
    "of a session that has ended": lambda k: k.ended,
    # Something else of ours
    "a token of the API": lambda k: k.token,
    "a token of the host's": lambda k: jwt.encode(
        {"sub": k.claims()["uid"], "exp": LATER}, SECRET, algorithm="HS256"
    ),
    "the device's cookie": lambda k: k.device,
    "a user's name": lambda _k: "ada",
    # Letters and lengths
    "in other letters": lambda _k: "ð\x9f\x8dª.ð\x9f\x8dª.ð\x9f\x8dª",
    "of bytes": lambda _k: "\xff\xfe\x80.\xff.\x80",
    "of control characters": lambda _k: "\x01\x02\x7f",
    "with NUL": lambda k: k.ada + "\0",
    "in quotes": lambda k: f'"{k.ada}"',
    "percent-encoded": lambda k: k.ada.replace(".", "%2E"),
    "too long": lambda k: k.with_claims(more="x" * MAX_LENGTH),
    "far too long": lambda _k: "x" * MAX_COOKIES,
    "longer than all cookies may be": lambda k: k.ada + "; more=" + "x" * MAX_COOKIES,
    "thousands of dots": lambda _k: "." * 4000,
}


# The claims name a session that is there, and its user: all that is wrong is the fingerprint.
SIGNED_BY_THE_KEY = [kind for kind in FORGED if "fingerprint" in kind and "user" not in kind]


def _together() -> list[list[str]]:
    """The kinds that one site is enough for; what the key has signed may end a sign-in there."""
    harmless = [kind for kind in FORGED if kind not in SIGNED_BY_THE_KEY]
    return [harmless[start::8] for start in range(8)] + [[kind] for kind in SIGNED_BY_THE_KEY]


@pytest.fixture
def known(site: Site, host: HostWriter) -> Known:
    host.add_user("grace", is_admin=True)
    set_password(host, "grace", PASSWORD)
    ada, grace, ended = (Browser(site).signed_in(name) for name in ("ada", "grace", "ada"))
    old = ended.session_cookie
    ended.sign_out()
    token = token_of(ada)
    (device,) = (one for name, one in ada.cookies.items() if "device" in name)
    assert ada.is_in
    return Known(ada.session_cookie, grace.session_cookie, old, token, device)


def token_of(browser: Browser, name: str = "ada") -> str:
    """A token that the API issues."""
    answer = browser.post(f"{PREFIX}/token", {"username": name, "password": PASSWORD})
    token: str = json.loads(answer.text)["access_token"]
    return token


def assert_opens_nothing(site: Site, cookie: str, caplog: pytest.LogCaptureFixture) -> None:
    """No page, no file and no socket for this Cookie header, and nothing in the log."""
    seen = len(site.dashboard.requests)
    headers = [(b"host", HOST.encode()), (b"cookie", cookie.encode("latin-1"))]
    for target in ("/", "/run?id=x"):
        answer = site.ask("GET", target, headers)
        assert (answer.status, answer.is_sign_in_page) == (200, True)
    assert site.ask("GET", "/static/index.js", headers).status == 401
    assert site.ask("GET", "/media/x.png", headers).status == 401
    own = [*headers, (b"origin", f"http://{HOST}".encode())]
    assert not site.socket("/_stcore/stream", own).is_open
    assert len(site.dashboard.requests) == seen
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("kinds", _together(), ids=lambda kinds: f"{kinds[0]} and {len(kinds) - 1}")
def test_a_cookie_that_is_not_ours_opens_nothing(
    site: Site, known: Known, kinds: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    for kind in kinds:
        forged = FORGED[kind](known)
        assert forged not in {known.ada, known.grace}, kind
        caplog.clear()
        assert_opens_nothing(site, f"{NAME}={forged}", caplog)
        bearer = {"host": HOST, "authorization": f"Bearer {forged}"}
        if kind not in {"a token of the API", "a token of the host's"}:
            assert site.ask("GET", f"{PREFIX}/runs", bearer).status == 401, kind
        assert Browser(site, cookies={NAME: known.ada}).is_in, kind
        # Signing out with it is no error, and ends nothing of anybody's without the key.
        for query in ("", "?everywhere=1"):
            assert Browser(site, cookies={NAME: forged}).sign_out(query).status == 303, kind
        if kind not in SIGNED_BY_THE_KEY:
            assert Browser(site, cookies={NAME: known.ada}).is_in, kind
            bearer = {"host": HOST, "authorization": f"Bearer {known.token}"}
            assert site.ask("GET", f"{PREFIX}/runs", bearer).status == 200, kind
        assert Browser(site, cookies={NAME: known.grace}).is_in, kind


def test_a_cookie_is_no_token(ada: Browser) -> None:
    cookie = ada.session_cookie
    for headers in ({"authorization": f"Bearer {cookie}"}, {"cookie": f"{NAME}={cookie}"}):
        assert ada.site.ask("GET", f"{PREFIX}/runs", {"host": HOST} | headers).status == 401


def test_the_cookie_counts_under_its_own_name_only(
    ada: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    for name in (
        "runmanager-device", "RunManager", "__Host-runmanager", "session", "streamlit", "",
    ):  # fmt: skip
        assert_opens_nothing(ada.site, f"{name}={ada.session_cookie}", caplog)


def test_of_two_cookies_the_first_counts(ada: Browser, caplog: pytest.LogCaptureFixture) -> None:
    caplog.clear()
    mine = f"{NAME}={ada.session_cookie}"
    for forged in (f"{NAME}=forged; {mine}", f"{NAME}=; {mine}", f"a=b; {NAME}=x;{mine};c=d"):
        assert_opens_nothing(ada.site, forged, caplog)
    headers = [("host", HOST), ("cookie", f"{NAME}=forged"), ("cookie", mine)]
    assert ada.site.ask("GET", "/", headers).is_sign_in_page
    assert not ada.site.ask("GET", "/", {"host": HOST, "cookie": f"a; b=c; {mine}"}).is_sign_in_page


def test_what_was_answered_a_moment_ago_was_answered_to_the_whole_cookie(
    site: Site, known: Known
) -> None:
    graces = known.claims("grace")
    for changes in ({"uid": graces["uid"]}, {"pw": graces["pw"]}, {"pw": ""}):
        for cookie, status in ((known.ada, 200), (known.with_claims(**changes), 401)):
            browser = Browser(site, cookies={NAME: cookie})
            assert browser.get("/static/index.js").status == status


def test_under_tls_the_cookie_of_a_plain_page_does_not_count(ada: Browser) -> None:
    secure = Browser(ada.site, scheme="https", cookies={NAME: ada.session_cookie})
    assert not secure.is_in
    secure.cookies = {SECURE_NAME: ada.session_cookie}
    assert secure.is_in


def test_keys_can_be_changed_one_after_the_other(open_site: OpenSite) -> None:
    new = "the next key of the cookies, thirty-two bytes"
    browser = Browser(open_site()).signed_in()
    browser.site = open_site(cookie_keys=(new, KEY))
    assert browser.is_in
    later = Browser(browser.site).signed_in()
    later.site = browser.site = open_site(cookie_keys=(new,))
    assert later.is_in
    assert not browser.is_in
