"""What a provider could say and must not be believed: forged, stale, foreign or meaningless."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from tests.entrance.browsing import Visitor, problem
from tests.entrance.hostile_provider import (
    LOGOUT_EVENT,
    Answer,
    HostileProvider,
    key_of,
    signed,
)
from tests.entrance.openid_provider import CLIENT_ID, CLIENT_SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx2

    from tests.entrance.conftest import Serve


@pytest.fixture
def provider() -> Iterator[HostileProvider]:
    """A provider that a test may corrupt."""
    with HostileProvider() as provider:
        yield provider


@pytest.fixture
def browser(provider: HostileProvider, serve: Serve, visitor: Callable[..., Visitor]) -> Visitor:
    """A browser at a Run Manager that knows this provider."""
    return visitor(serve(**provider.settings))


def sign_in(browser: Visitor, provider: HostileProvider) -> httpx2.Response:
    """The answer at the end of the way to the provider and back."""
    begun = browser.get("/sign-in/openid")
    assert begun.status_code == 303, begun.text
    return browser.get(provider.back(begun.headers["location"]))


def encoded(data: bytes) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(claims: dict[str, Any], **header: Any) -> str:
    """A token that says it needs no signature."""
    parts = [json.dumps(one).encode() for one in ({"alg": "none"} | header, claims)]
    return ".".join([*map(encoded, parts), ""])


def without(claims: dict[str, Any], name: str) -> dict[str, Any]:
    """The claims but for one."""
    return {key: value for key, value in claims.items() if key != name}


def signed_by_secret(claims: dict[str, Any], secret: bytes) -> str:
    """A token by HMAC, with the id of the provider's key; no library makes one of a public key."""
    signing = unsigned(claims, alg="HS256", kid="1").removesuffix(".")
    return f"{signing}.{encoded(hmac.digest(secret, signing.encode(), hashlib.sha256))}"


FORGER = key_of("forger", "1")
NESTED = b'{"alg":"RS256","kid":"1","a":' + b"[" * 100_000
SECRET = OctKey.import_key(CLIENT_SECRET)


def forged_id_tokens(p: HostileProvider, c: dict[str, Any]) -> dict[str, Any]:
    """By what is wrong with it, an ID token that must let nobody in."""
    return {
        "a key of the forger's": signed(c, FORGER),
        "a key that nobody knows": signed(c, key_of("forger", "2")),
        "the forger's key inside it": signed(c, FORGER, jwk=FORGER.as_dict(private=False)),
        "no signature": unsigned(c),
        "no signature, with a key's id": unsigned(c, kid="1"),
        "the client's secret": signed(c, SECRET, "HS256"),
        "the public key as a secret": signed_by_secret(c, p.key.as_pem(private=False)),
        "another nonce": signed(c | {"nonce": "other"}, p.key),
        "no nonce": signed(without(c, "nonce"), p.key),
        "another issuer": signed(c | {"iss": "https://evil.example"}, p.key),
        "no issuer": signed(without(c, "iss"), p.key),
        "another audience": signed(c | {"aud": "other"}, p.key),
        "no audience": signed(without(c, "aud"), p.key),
        "another audience, with us as the party": signed(
            c | {"aud": "other", "azp": CLIENT_ID}, p.key
        ),
        "two audiences and no party": signed(c | {"aud": [CLIENT_ID, "x"]}, p.key),
        "another party": signed(c | {"azp": "other"}, p.key),
        "it is over": signed(c | {"exp": int(time.time()) - 120}, p.key),
        "it has no end": signed(without(c, "exp"), p.key),
        "its end is no time": signed(c | {"exp": "never"}, p.key),
        "it is of the future": signed(c | {"iat": int(time.time()) + 3600}, p.key),
        "it begins in the future": signed(c | {"nbf": int(time.time()) + 3600}, p.key),
        "it names no subject": signed(without(c, "sub"), p.key),
        "it is of another access token": signed(c | {"at_hash": "AAAA"}, p.key),
        "the claim is missing": signed(without(c, "preferred_username"), p.key),
        "the claim is a list": signed(c | {"preferred_username": ["ada"]}, p.key),
        "the claim is empty": signed(c | {"preferred_username": " "}, p.key),
        "the claim is yes": signed(c | {"preferred_username": True}, p.key),
        "the claim is endless": signed(c | {"preferred_username": "a" * 9999}, p.key),
        "it is a logout token": signed(p.logout_claims, p.key, typ="logout+jwt"),
        "it is no token": "a.b.c",
        "it is no text": {"alg": "none"},
        "it is endlessly nested": f"{encoded(NESTED)}.e30.AA",
    }


def forged(provider: HostileProvider, kind: str, claims: dict[str, Any]) -> Any:
    """The ID token that has this fault."""
    return forged_id_tokens(provider, claims)[kind]


def test_an_id_token_that_is_not_as_it_must_be_lets_nobody_in(
    provider: HostileProvider, browser: Visitor
) -> None:
    usual, answers = provider.change, {}
    kinds = list(forged_id_tokens(provider, provider.claims))
    for kind in kinds:
        provider.change = partial(forged, provider, kind)
        answer = sign_in(browser, provider)
        answers[kind] = (answer.status_code, browser.cookie)
        assert "cannot be accepted" in problem(answer), kind
    assert answers == dict.fromkeys(kinds, (401, None))
    # The same without a fault is let in.
    provider.change = usual
    assert sign_in(browser, provider).status_code == 303
    assert browser.is_in


def test_several_audiences_with_us_as_the_party_are_fine(
    provider: HostileProvider, browser: Visitor
) -> None:
    several = {"aud": [CLIENT_ID, "other"], "azp": CLIENT_ID}
    provider.change = lambda claims: signed(claims | several, provider.key)
    assert sign_in(browser, provider).status_code == 303


def test_a_key_without_an_id_may_sign(provider: HostileProvider, browser: Visitor) -> None:
    others = [key_of("provider", "a"), provider.key, key_of("provider", "b")]
    provider.answers["/keys"] = Answer(body={"keys": [key.as_dict(False) for key in others]})
    provider.change = lambda claims: jwt.encode({"alg": "RS256"}, claims, provider.key)
    assert sign_in(browser, provider).status_code == 303


def test_a_new_key_of_the_providers_is_fetched_at_once_and_a_known_one_never_again(
    provider: HostileProvider, browser: Visitor
) -> None:
    for _ in range(3):
        assert sign_in(browser, provider).status_code == 303
    assert provider.asked.count("/keys") == 1
    assert provider.asked.count("/.well-known/openid-configuration") == 1
    provider.key = key_of("provider", "2")
    assert sign_in(browser, provider).status_code == 303
    assert provider.asked.count("/keys") == 2


def test_the_code_is_exchanged_with_the_verifier_of_its_own_way(
    provider: HostileProvider, browser: Visitor
) -> None:
    seen = []
    for _ in range(2):
        sign_in(browser, provider)
        assert provider.sent["code"] == ["c-1"]
        assert provider.sent["redirect_uri"] == [f"{browser.url}/sign-in/openid/back"]
        seen += provider.sent["code_verifier"]
    assert len(set(seen)) == 2
    assert all(len(one) >= 43 for one in seen)


def meaningless(p: HostileProvider) -> dict[str, tuple[str, Answer]]:
    """By what is wrong with it, an answer that means nothing, and where it is given."""
    return {
        "discovery of another issuer": (
            "/.well-known/openid-configuration",
            Answer(body=p.discovery | {"issuer": "https://evil.example"}),
        ),
        "discovery that sends on": (
            "/.well-known/openid-configuration",
            Answer(302, "", {"Location": f"{p.issuer}/elsewhere"}),
        ),
        "discovery that is a page": (
            "/.well-known/openid-configuration",
            Answer(body="<html>"),
        ),
        "discovery that is a list": ("/.well-known/openid-configuration", Answer(body=[])),
        "discovery without keys": (
            "/.well-known/openid-configuration",
            Answer(body=without(p.discovery, "jwks_uri")),
        ),
        "discovery with a script": (
            "/.well-known/openid-configuration",
            Answer(body=p.discovery | {"authorization_endpoint": "javascript:alert(1)"}),
        ),
        "discovery without a signature": (
            "/.well-known/openid-configuration",
            Answer(body=p.discovery | {"id_token_signing_alg_values_supported": ["none", "HS256"]}),
        ),
        "an error for the code": ("/token", Answer(500, "down")),
        "another place for the code": (
            "/token",
            Answer(307, "", {"Location": f"{p.issuer}/elsewhere"}),
        ),
        "a page for the code": ("/token", Answer(body="<html>")),
        "a list for the code": ("/token", Answer(body=[])),
        "no list of keys": ("/keys", Answer(body={"keys": "none"})),
        "keys that are a page": ("/keys", Answer(body="<html>")),
        "other keys elsewhere": ("/keys", Answer(301, "", {"Location": "/elsewhere"})),
    }


def test_a_provider_that_makes_no_sense_is_away_and_lets_nobody_in(
    provider: HostileProvider, serve: Serve, visitor: Callable[..., Visitor]
) -> None:
    for kind, (path, answer) in meaningless(provider).items():
        # What was said well before would still be known.
        browser = visitor(serve(**provider.settings))
        provider.answers[path] = answer
        said = browser.get("/sign-in/openid")
        if said.is_redirect:
            said = browser.get(provider.back(said.headers["location"]))
        assert (kind, said.status_code, browser.cookie) == (kind, 503, None)
        assert "does not answer as it should" in problem(said)
        assert "/elsewhere" not in provider.asked
        # It is asked anew once it has come to its senses.
        provider.answers.clear()
        assert sign_in(browser, provider).status_code == 303


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token"])
def test_a_provider_that_never_ends_its_answer_is_waited_for_no_longer_than_ten_seconds(
    provider: HostileProvider, browser: Visitor, path: str
) -> None:
    provider.answers[path] = Answer(body={}, seconds=30)
    begun = browser.get("/sign-in/openid")
    if begun.is_redirect:
        begun = browser.get(provider.back(begun.headers["location"]))
    assert begun.status_code == 503
    assert begun.elapsed.total_seconds() < 12


def test_the_claims_of_another_user_are_not_taken(
    provider: HostileProvider, browser: Visitor
) -> None:
    provider.change = lambda claims: signed(without(claims, "preferred_username"), provider.key)
    for said, status in (
        ({"sub": "there-2", "preferred_username": "ada"}, 401),
        ({"preferred_username": "ada"}, 401),
        ([], 401),
        ({"sub": "there-1", "preferred_username": "ada"}, 303),
    ):
        provider.answers["/userinfo"] = Answer(body=said)
        assert sign_in(browser, provider).status_code == status


def test_an_answer_in_the_name_of_another_issuer_is_refused(
    provider: HostileProvider, browser: Visitor
) -> None:
    begun = browser.get("/sign-in/openid")
    door = provider.back(begun.headers["location"])
    other = door.replace("iss=http%3A%2F%2F127", "iss=http%3A%2F%2F128")
    assert other != door
    assert browser.get(other).status_code == 401
    assert "/token" not in provider.asked


@pytest.mark.parametrize(("error", "status"), [("server_error", 503), ("<b>odd</b>", 401)])
def test_an_error_is_told_in_words_of_ours(
    provider: HostileProvider, browser: Visitor, error: str, status: int
) -> None:
    begun = browser.get("/sign-in/openid")
    door = provider.back(begun.headers["location"]).replace("code=c-1", f"error={error}")
    answer = browser.get(door)
    assert answer.status_code == status
    assert error not in answer.text
    assert "/token" not in provider.asked


def test_the_reason_is_in_the_log_and_no_secret(
    provider: HostileProvider, browser: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "runmanager")
    provider.change = lambda claims: signed(claims | {"aud": "other"}, provider.key)
    sign_in(browser, provider)
    assert "InvalidClaimError aud" in caplog.text
    for secret in (CLIENT_SECRET, provider.nonce, provider.sent["code_verifier"][0]):
        assert secret not in caplog.text


def forged_logout_tokens(p: HostileProvider, c: dict[str, Any]) -> dict[str, str]:
    """By what is wrong with it, a logout token that must end nothing."""
    return {
        "a key of the forger's": signed(c, FORGER),
        "a key that nobody knows": signed(c, key_of("forger", "2")),
        "no signature": unsigned(c),
        "the client's secret": signed(c, SECRET, "HS256"),
        "a nonce": signed(c | {"nonce": "n"}, p.key),
        "an ID token": signed(p.claims, p.key),
        "no event": signed(without(c, "events"), p.key),
        "another event": signed(c | {"events": {"x": {}}}, p.key),
        "an event that is no object": signed(c | {"events": {LOGOUT_EVENT: 1}}, p.key),
        "events that are a list": signed(c | {"events": [LOGOUT_EVENT]}, p.key),
        "another issuer": signed(c | {"iss": "https://evil.example"}, p.key),
        "no issuer": signed(without(c, "iss"), p.key),
        "another audience": signed(c | {"aud": "other"}, p.key),
        "no audience": signed(without(c, "aud"), p.key),
        "no id": signed(without(c, "jti"), p.key),
        "no time": signed(without(c, "iat"), p.key),
        "a time long ago": signed(c | {"iat": int(time.time()) - 3600}, p.key),
        "a time to come": signed(c | {"iat": int(time.time()) + 3600}, p.key),
        "it is over": signed(c | {"exp": int(time.time()) - 120}, p.key),
        "nobody named": signed(without(without(c, "sid"), "sub"), p.key),
        "another kind": signed(c, p.key, typ="at+jwt"),
        "no token": "",
    }


def test_a_logout_token_that_is_not_as_it_must_be_ends_nothing(
    provider: HostileProvider, browser: Visitor
) -> None:
    sign_in(browser, provider)
    answers = {}
    for kind, token in forged_logout_tokens(provider, provider.logout_claims).items():
        answer = browser.post("/sign-out/openid", {"logout_token": token})
        answers[kind] = (answer.status_code, answer.json(), browser.is_in)
    refused = (400, {"error": "invalid_request"}, True)
    assert answers == dict.fromkeys(answers, refused)
    good = signed(provider.logout_claims, provider.key, typ="logout+jwt")
    answer = browser.client.post(f"{browser.url}/sign-out/openid", data={"logout_token": good})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert not browser.is_in


def test_a_logout_token_that_is_said_again_ends_nothing_that_has_begun_since(
    provider: HostileProvider, browser: Visitor
) -> None:
    sign_in(browser, provider)
    token = signed(without(provider.logout_claims, "sid"), provider.key)
    assert browser.post("/sign-out/openid", {"logout_token": token}).status_code == 200
    assert not browser.is_in
    sign_in(browser, provider)
    assert browser.post("/sign-out/openid", {"logout_token": token}).status_code == 400
    assert browser.is_in


def test_forged_logout_tokens_do_not_let_keys_be_fetched_each_time(
    provider: HostileProvider, browser: Visitor
) -> None:
    for number in range(5):
        forged = signed(provider.logout_claims, key_of("forger", f"x{number}"))
        assert browser.post("/sign-out/openid", {"logout_token": forged}).status_code == 400
    assert provider.asked.count("/keys") == 1


def test_a_form_that_is_none_is_refused(provider: HostileProvider, browser: Visitor) -> None:
    address = f"{browser.url}/sign-out/openid"
    assert browser.client.post(address, json={"logout_token": "x"}).status_code == 415
    assert browser.client.post(address, data={"logout_token": "x" * 30_000}).status_code == 413
    twice = {"logout_token": ["a", "b"]}
    assert browser.client.post(address, data=twice).status_code == 400


def test_signing_out_leads_there_only_where_it_can_be_reached(
    provider: HostileProvider, browser: Visitor
) -> None:
    sign_in(browser, provider)
    assert browser.post("/sign-out").headers["location"].startswith(f"{provider.issuer}/end?")
    assert not browser.is_in
