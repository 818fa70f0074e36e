"""Who is signed in, and who tries to be: what the store keeps of it.

Times are seconds since 1970, in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SessionKind(StrEnum):
    """What carries the session: a browser's cookie, or a token of the API."""

    BROWSER = "browser"
    TOKEN = "token"  # noqa: S105  no secret


class SignInMethod(StrEnum):
    """How the user showed who they are."""

    PASSWORD = "password"  # noqa: S105  no secret
    OIDC = "oidc"
    PROXY = "proxy"


@dataclass(frozen=True)
class ProviderSession:
    """What the provider of a single sign-on calls a user and their session there.

    By these it ends what they have led to: by the session, or where it names none, by the user.
    """

    user: str | None
    session: str | None


@dataclass(frozen=True)
class StoredSession:
    """One sign-in; ``key`` is the SHA-256, in hex, of the random id that only its holder has.

    ``provider_session`` and ``provider_user`` are what the provider of a single sign-on calls them,
    so that it can end what it began.
    """

    key: str
    kind: SessionKind
    method: SignInMethod
    user_id: str
    username: str
    created_at: float
    used_at: float
    expires_at: float
    provider_session: str | None = None
    provider_user: str | None = None
    ended_at: float | None = None


@dataclass(frozen=True)
class Failures:
    """How often in a row something failed, and when last."""

    count: int
    last_at: float
