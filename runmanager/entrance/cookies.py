"""The session cookie: a signed ticket that scripts cannot read.

It says which session of the store, whose, and a keyed fingerprint of the password's hash; what it
says is believed only where the store and the host's database agree. Its key is made from the
configured one for this purpose alone: nothing else that was ever signed by that can be a cookie.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import jwt

from runmanager.fingerprints import derived_key
from runmanager.records import Ticket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runmanager.entrance.requests import Asked
    from runmanager.records import SignedIn

NAME, SECURE_NAME = "runmanager", "__Secure-runmanager"
DEVICE_NAME, SECURE_DEVICE_NAME = "runmanager-device", "__Secure-runmanager-device"
DEVICE_SECONDS = 180 * 24 * 3600
MAX_LENGTH = 4096
_ALGORITHM = "HS256"
_CLAIMS = ["exp", "sid", "uid", "pw"]


class Cookies:
    """Makes and reads session cookies; the first key signs, every key is good for reading."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [derived_key(key, "session cookie") for key in keys]

    def ticket(self, asked: Asked) -> Ticket | None:
        """The ticket in a request's cookie; None without one, or where it is forged or over.

        Under TLS only the cookie that came by TLS counts: another host of the same site could have
        set the other one.
        """
        names = (SECURE_NAME,) if asked.is_tls else (SECURE_NAME, NAME)
        found = next((value for name in names if (value := asked.cookie(name))), None)
        return None if found is None else self._read(found)

    def set(self, signed_in: SignedIn, asked: Asked, base: str) -> str:
        """The Set-Cookie header of a new sign-in, which leaves the browser when it ends."""
        ticket = signed_in.ticket
        claims = {
            "sid": ticket.session_id,
            "uid": ticket.user_id,
            "pw": ticket.fingerprint,
            "exp": int(signed_in.expires_at),
        }
        value = jwt.encode(claims, self._keys[0], algorithm=_ALGORITHM)
        seconds = max(0, int(signed_in.expires_at - time.time()))
        return set_cookie(_named(asked, NAME, SECURE_NAME), value, asked, _path(base), seconds)

    def unset(self, base: str) -> list[str]:
        """The Set-Cookie headers that end a sign-in in the browser, under either name."""
        path = _path(base)
        return [
            f"{NAME}=; Path={path}; Max-Age=0; HttpOnly; SameSite=Lax",
            f"{SECURE_NAME}=; Path={path}; Max-Age=0; HttpOnly; SameSite=Lax; Secure",
        ]

    def _read(self, value: str) -> Ticket | None:
        if len(value) > MAX_LENGTH:
            return None
        for key in self._keys:
            try:
                claims = jwt.decode(
                    value, key, algorithms=[_ALGORITHM], options={"require": _CLAIMS}
                )
            except jwt.PyJWTError:
                continue
            parts = (claims["sid"], claims["uid"], claims["pw"])
            return Ticket(*parts) if all(isinstance(part, str) for part in parts) else None
        return None


def device_of(asked: Asked) -> str:
    """What this browser kept of an earlier sign-in, or nothing."""
    name = SECURE_DEVICE_NAME if asked.is_over_tls else DEVICE_NAME
    return (asked.cookie(name) or "")[:200]


def set_device(device: str, asked: Asked, base: str) -> str:
    """The Set-Cookie header by which a browser keeps that somebody has signed in from it."""
    name = _named(asked, DEVICE_NAME, SECURE_DEVICE_NAME)
    return set_cookie(name, device, asked, _path(base), DEVICE_SECONDS)


def set_cookie(name: str, value: str, asked: Asked, path: str, seconds: int) -> str:
    """The Set-Cookie header of a cookie that no script reads; no seconds take it away."""
    secure = "; Secure" if asked.is_over_tls else ""
    return f"{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"


def _named(asked: Asked, name: str, secure_name: str) -> str:
    return secure_name if asked.is_over_tls else name


def _path(base: str) -> str:
    return f"{base}/" if base else "/"
