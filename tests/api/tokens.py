"""Tokens made by hand, good ones and bad ones, and the keys that sign them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.api.conftest import SECRET, claims

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from starlette.testclient import TestClient


OTHER = "another secret, which is long enough as well"
COOKIE_KEY = "the key that signs the dashboard's cookie"
ISSUER, AUDIENCE = "https://host.example", "run-manager"
SETTINGS: dict[str, Any] = {
    "jwt_issuer": ISSUER,
    "jwt_audience": AUDIENCE,
    "cookie_keys": (COOKIE_KEY,),
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
