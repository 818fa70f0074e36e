"""Keys: which one a token must be signed with, and which settings are no key."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from runmanager.errors import InvalidTokenError
from runmanager.settings import Settings
from runmanager.tokens import OWN_NAME, Tokens
from tests.api.conftest import SECRET, bearer, token
from tests.api.tokens import (
    AUDIENCE,
    EC_KEY,
    EC_PEM,
    ISSUER,
    OTHER,
    RSA_KEY,
    RSA_PEM,
    USER,
    assert_refused,
    by_hand,
    good,
    in_seconds,
    private_pem,
    public_pem,
)
from tests.hosts import PASSWORD

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from tests.api.conftest import OpenCaller
    from tests.hosts import HostWriter


GOOD = by_hand(good(exp=in_seconds(3600)))
NEW = "the secret that is new, longer than 32 bytes"
OLD = "the secret that is old, longer than 32 bytes"


def test_a_public_key_is_no_secret_to_sign_with(open_caller: OpenCaller) -> None:
    for pem in (public_pem(RSA_KEY), public_pem(EC_KEY)):
        caller = open_caller(jwt_secrets=(), jwt_public_key=pem)
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
    caller = open_caller(authorization=text, jwt_secrets=(), jwt_public_key=public_pem(key))
    assert caller.json("/runs")["total"] == 0
    answer = caller.client.post("/token", data={"username": "ada", "password": PASSWORD})
    assert answer.status_code == 401
    assert "RUNMANAGER_JWT_SECRET is not set" in answer.json()["detail"]


def test_without_a_key_nobody_is_let_in_and_the_log_says_so_once(
    open_caller: OpenCaller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "runmanager")
    caller = open_caller(jwt_secrets=())
    for headers in ({}, bearer(GOOD), bearer(by_hand(good(), key="")), bearer("x")):
        assert_refused(caller.client, headers)
    sign_in = caller.client.post("/token", data={"username": "ada", "password": PASSWORD})
    assert sign_in.status_code == 401
    (record,) = (one for one in caplog.records if one.name.startswith("runmanager"))
    assert "set RUNMANAGER_JWT_SECRET or RUNMANAGER_JWT_PUBLIC_KEY" in record.getMessage()
    assert caller.client.get("/health").status_code == 200


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
    assert Tokens(found).bearer(token(7, key=EC_PEM, algorithm="ES256")).name == "7"


def test_a_token_by_any_secret_of_the_list_is_let_in(open_caller: OpenCaller) -> None:
    caller = open_caller(jwt_secrets=(NEW, SECRET, OLD))
    for key in (NEW, SECRET, OLD):
        answer = caller.client.get("/usernames", headers=bearer(by_hand(good(), key=key)))
        assert answer.status_code == 200, key
    for key in (OTHER, "", f"{NEW}\n{SECRET}", f"{NEW},{SECRET}"):
        assert_refused(caller.client, bearer(by_hand(good(), key=key)))


def test_a_token_by_any_secret_of_the_list_is_checked_in_full(open_caller: OpenCaller) -> None:
    caller = open_caller(jwt_secrets=(NEW, OLD), jwt_issuer=ISSUER, jwt_audience=AUDIENCE)
    refused = {
        "expired": good(exp=in_seconds(-60)),
        "no exp": good(exp=None),
        "another issuer": good(iss="https://another.example"),
        "another audience": good(aud="another"),
        "nobody": good(sub=None),
        "not valid yet": good(nbf=in_seconds(60)),
    }
    for key in (NEW, OLD):
        for claims in refused.values():
            assert_refused(caller.client, bearer(by_hand(claims, key=key)))
        for header in ({"alg": "none"}, {"alg": "HS512"}, {"alg": "RS256"}):
            assert_refused(caller.client, bearer(by_hand(good(), header, key=key)))


@pytest.mark.parametrize("key", [NEW, OLD], ids=["new", "old"])
def test_a_refusal_s_reason_is_that_of_the_secret_that_signed(key: str) -> None:
    text = by_hand(good(exp=in_seconds(-60)), key=key)
    with pytest.raises(InvalidTokenError, match=r"^expired$"):
        Tokens(Settings(jwt_secrets=(NEW, OLD))).bearer(text)


def test_the_first_secret_signs_and_the_second_is_on_its_way_out(
    host: HostWriter, open_caller: OpenCaller
) -> None:
    issued = open_caller(jwt_secrets=(NEW, OLD)).client.post(
        "/token", data={"username": "ada", "password": PASSWORD}
    )
    text = issued.json()["access_token"]
    jwt.decode(text, NEW, algorithms=["HS256"], audience=OWN_NAME)
    for keys, status in (((NEW,), 200), ((OLD, NEW), 200), ((OLD,), 401)):
        answer = open_caller(jwt_secrets=keys).client.get("/usernames", headers=bearer(text))
        assert answer.status_code == status


def test_a_list_of_secrets_stands_beside_a_public_key(open_caller: OpenCaller) -> None:
    caller = open_caller(jwt_secrets=(NEW, OLD), jwt_public_key=public_pem(EC_KEY))
    by_host = jwt.encode(good(), EC_PEM, algorithm="ES256")
    for text in (by_hand(good(), key=OLD), by_host):
        assert caller.client.get("/usernames", headers=bearer(text)).status_code == 200
    assert_refused(caller.client, bearer(by_hand(good(), {"alg": "ES256"}, key=OLD)))
    assert_refused(caller.client, bearer(by_hand(good(), key=public_pem(EC_KEY))))


def test_a_key_file_is_no_secret() -> None:
    for text in (RSA_PEM, public_pem(RSA_KEY), public_pem(EC_KEY)):
        with pytest.raises(Exception, match="RUNMANAGER_JWT_SECRET holds a key file") as caught:
            Settings.from_environment({"RUNMANAGER_JWT_SECRET": text})
        assert text[40:60] not in str(caught.value)
