"""Tokens that nobody has issued: with wrong keys, algorithms or claims, or with none of them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FAR = int(time.time()) + 3600
_HUGE = 10**400


def b64(data: bytes | str) -> str:
    """Base64 as tokens have it."""
    raw = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(header: object, claims: object, key: bytes, digest: str = "sha256") -> str:
    """A token with any header and any claims, also such as no library would make."""
    texts = [one if isinstance(one, str) else json.dumps(one) for one in (header, claims)]
    said = ".".join(map(b64, texts))
    return f"{said}.{b64(hmac.new(key, said.encode(), getattr(hashlib, digest)).digest())}"


@dataclass(frozen=True)
class Genuine:
    """A token that was issued, with the key that has signed it; and keys with other jobs."""

    token: str
    key: bytes
    other_keys: tuple[bytes, ...]

    @property
    def parts(self) -> list[str]:
        """Header, claims, signature."""
        return self.token.split(".")

    @property
    def claims(self) -> dict[str, Any]:
        """What it says."""
        found: dict[str, Any] = jwt.decode(self.token, options={"verify_signature": False})
        return found


def without_key(genuine: Genuine) -> Iterator[str]:
    """What can be made of a token by whoever has seen it, or has seen none."""
    header, claims, signature = genuine.parts
    algorithms: tuple[object, ...] = (
        "none", "None", "NONE", "nOnE", "", None, 0, [], "HS256",
    )  # fmt: skip
    for algorithm in algorithms:
        for header_of in ({"alg": algorithm}, {"alg": algorithm, "typ": "JWT"}):
            unsigned = b64(json.dumps(header_of))
            yield f"{unsigned}.{claims}."
            yield f"{unsigned}.{claims}.{signature[::-1]}"
    raw = base64.urlsafe_b64decode(signature + "=")
    for position in (0, 7, 15, 31):
        flipped = bytearray(raw)
        flipped[position] ^= 1
        yield f"{header}.{claims}.{b64(bytes(flipped))}"
    for length in (0, 1, 16, 31):
        yield f"{header}.{claims}.{b64(raw[:length])}"
    yield f"{header}.{claims}.{b64(raw + bytes(1))}"
    yield f"{header}.{claims}.{b64(bytes(32))}"
    changes = {"sub": "id-0001", "uid": "id-0001", "exp": _FAR + 10**6, "sid": "x" * 32, "pw": ""}
    for name, value in changes.items():
        yield f"{header}.{b64(json.dumps(genuine.claims | {name: value}))}.{signature}"
    yield from (
        f"{header}.{claims}",
        f"{header}..{signature}",
        f".{claims}.{signature}",
        "..",
        "...",
    )
    yield from (f"{genuine.token}.x", f"x.{genuine.token}", f"{claims}.{header}.{signature}")
    yield from ("", "x", "null", "{}", "[]", "admin", "ada", "id-0001", "1", "true", "%00", "../..")
    yield from ("A" * 4097, f"{'A' * 3000}.{'B' * 900}.C", "." * 500, "a.b.c", "=.=.=", "e30.e30.")
    yield from (genuine.token.upper(), genuine.token[::-1], genuine.token.replace(".", "%2e"))
    yield b64(json.dumps({"user": "ada", "is_admin": True}))
    yield f"{b64('[' * 5000)}.{claims}.{signature}"
    yield f"{header}.{b64('{' * 2000)}.{signature}"
    yield f"{b64(bytes([255, 254, 0]))}.{claims}.{signature}"


def with_other_keys(genuine: Genuine) -> Iterator[str]:
    """Signed by a key that signs something else, or that is no key."""
    plain = {"alg": "HS256", "typ": "JWT"}
    guesses = (b"", b"secret", b"key", b"some_key", b"random_cookie_name", b"0" * 32, bytes(32))
    for key in (*genuine.other_keys, *guesses, hashlib.sha256(genuine.key).digest()):
        yield signed(plain, genuine.claims, key)
    rsa_key = rsa.generate_private_key(65537, 2048)
    pem = rsa_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    yield signed(plain, genuine.claims, pem)
    yield jwt.encode(genuine.claims, rsa_key, "RS256")
    yield jwt.encode(genuine.claims, rsa_key, "PS256")
    jwk = {"kty": "oct", "k": b64("a key of the attacker's, 32 bytes or more")}
    for said in (
        {"jwk": jwk}, {"jku": "http://127.0.0.1:9/keys"}, {"x5u": "http://127.0.0.1:9/cert"},
        {"kid": "../../../dev/null"}, {"kid": "' OR 1=1 --"}, {"kid": None}, {"x5c": ["AAAA"]},
        {"crit": ["exp"]}, {"crit": "exp"}, {"b64": False, "crit": ["b64"]}, {"zip": "DEF"},
        {"cty": "JWT"}, {"enc": "A256GCM", "alg": "dir"},
    ):  # fmt: skip
        yield signed(plain | said, genuine.claims, b"a key of the attacker's, 32 bytes or more")
        yield signed(plain | said, genuine.claims, b"")


def with_the_key(genuine: Genuine, required: Mapping[str, str]) -> Iterator[str]:
    """Signed with the very key, as if it had leaked: still nobody's sign-in.

    ``required`` are the claims that say whose sign-in it is, with what is put in their place.
    """
    plain = {"alg": "HS256", "typ": "JWT"}
    claims = genuine.claims
    for name, other in required.items():
        yield signed(
            plain, {key: value for key, value in claims.items() if key != name}, genuine.key
        )
        wrong: tuple[object, ...] = (
            other,
            "",
            None,
            0,
            -1,
            True,
            1.5,
            [],
            {},
            [other],
            {"$ne": 1},
            _HUGE,
            "\0",
            "\ud800",
        )
        for value in wrong:
            yield signed(plain, claims | {name: value}, genuine.key)
            # A ticket of three parts, one of them wrong.
            if isinstance(claims[name], list):
                for place in range(len(claims[name])):
                    parts = list(claims[name])
                    parts[place] = value
                    yield signed(plain, claims | {name: parts}, genuine.key)
    times: tuple[object, ...] = (0, -1, 1, _FAR - 10**6, "soon", None, [], {}, True)
    for expires in times:
        yield signed(plain, claims | {"exp": expires}, genuine.key)
    for never in ("NaN", "-Infinity", "1e999"):
        text = json.dumps(claims | {"exp": 0}).replace('"exp": 0', f'"exp": {never}')
        yield signed(plain, text, genuine.key)
    for digest, algorithm in (("sha384", "HS384"), ("sha512", "HS512"), ("sha1", "HS1")):
        yield signed({"alg": algorithm}, claims, genuine.key, digest)
    for said in ("none", "RS256", "ES256", "hs256", "HS256 ", "", None):
        yield signed({"alg": said}, claims, genuine.key)
    yield signed(plain, claims | {"nbf": _FAR}, genuine.key)
    for whole in ("[]", "null", '"x"', "1", "{}", "", "{", '{"exp": 1}', "[" * 3000):
        yield signed(plain, whole, genuine.key)
    yield signed(plain | {"crit": ["other"], "other": 1}, claims, genuine.key)
