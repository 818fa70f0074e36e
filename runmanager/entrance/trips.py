"""Trips: a browser's way to the identity provider and back.

Each is kept in a short-lived signed cookie of its own, in the browser that began it. So several
tabs may be on their way at once, any instance can take them back, and an answer that somebody else
has begun means nothing here. It goes to the addresses of single sign-on alone, and only once back.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt

from runmanager.entrance.cookies import MAX_LENGTH, set_cookie
from runmanager.fingerprints import derived_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runmanager.entrance.requests import Asked

PATH = "/sign-in/openid"
SECONDS = 10 * 60
# A browser keeps no cookie of more than 4096 bytes, and sends all of them with each request.
MAX_WANTED = 2000
MAX_AT_ONCE = 4
_NAME, _SECURE_NAME = "runmanager-openid-", "__Secure-runmanager-openid-"
_ALGORITHM = "HS256"
_CLAIMS = ("state", "nonce", "verifier", "wanted")


@dataclass(frozen=True)
class Trip:
    """What the provider is told and must answer, and where to go in the end."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    wanted: str


class Trips:
    """Begins trips and knows them again; the first key signs, every key is good for reading."""

    def __init__(self, keys: Sequence[str], base: str) -> None:
        self._keys = [derived_key(key, "way to the provider") for key in keys]
        self._base = base

    def begin(self, wanted: str) -> Trip:
        """A new trip, at whose end the browser goes to ``wanted``."""
        return Trip(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            wanted=wanted if len(wanted) <= MAX_WANTED else f"{self._base}/",
        )

    def keep(self, trip: Trip, asked: Asked) -> list[str]:
        """The Set-Cookie headers that let the browser keep a trip, and few others."""
        claims = {name: getattr(trip, name) for name in _CLAIMS}
        claims["exp"] = int(time.time()) + SECONDS
        value = jwt.encode(claims, self._keys[0], algorithm=_ALGORITHM)
        found = {name: self._claims(asked, name) for name in asked.cookie_names(_prefix(asked))}
        by_age = sorted(found, key=lambda name: (found[name] or {}).get("exp", 0), reverse=True)
        return [
            self._set(_name(asked, trip.state), value, asked, SECONDS),
            *(self._set(name, "", asked, 0) for name in by_age[MAX_AT_ONCE - 1 :]),
        ]

    def of(self, asked: Asked, state: str) -> Trip | None:
        """The trip that this browser began with this state; None for any other."""
        claims = self._claims(asked, _name(asked, state))
        if claims is None:
            return None
        trip = Trip(*(claims[name] for name in _CLAIMS))
        return trip if secrets.compare_digest(trip.state.encode(), state.encode()) else None

    def end(self, trip: Trip, asked: Asked) -> str:
        """The Set-Cookie header that lets the browser forget it: nobody comes back twice."""
        return self._set(_name(asked, trip.state), "", asked, 0)

    def _set(self, name: str, value: str, asked: Asked, seconds: int) -> str:
        return set_cookie(name, value, asked, f"{self._base}{PATH}", seconds)

    def _claims(self, asked: Asked, name: str) -> dict[str, Any] | None:
        value = asked.cookie(name) or ""
        if len(value) > MAX_LENGTH:
            return None
        for key in self._keys:
            try:
                return jwt.decode(
                    value, key, algorithms=[_ALGORITHM], options={"require": ["exp", *_CLAIMS]}
                )
            except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
                continue
        return None


def _name(asked: Asked, state: str) -> str:
    digest = hashlib.sha256(state.encode(errors="surrogatepass")).hexdigest()
    return f"{_prefix(asked)}{digest[:16]}"


def _prefix(asked: Asked) -> str:
    return _SECURE_NAME if asked.is_tls else _NAME
