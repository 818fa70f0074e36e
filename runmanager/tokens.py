"""API tokens (JWT): who a bearer token says is calling, and tokens of our own.

A token only says who; whether they are an admin is asked of the database on each call. The
algorithm is fixed by the key: what the token's header claims can only pick among the keys that are
configured, each with the one algorithm it was made for (RFC 8725, section 3.1).
"""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jwt

from runmanager.errors import InvalidTokenError
from runmanager.records import Ticket
from runmanager.setting_values import public_key_algorithm

if TYPE_CHECKING:
    from runmanager.records import SignedIn
    from runmanager.settings import Settings

LIFETIME = timedelta(minutes=30)
LEEWAY = timedelta(seconds=30)
# Far more than any sensible token; what is longer is not worth decoding.
MAX_LENGTH = 8192
OWN_NAME = "run-manager"
# Only tokens of our own have it: they end with their sign-in.
_TICKET = "run_manager_ticket"
_LAST_DATE = datetime.max.replace(tzinfo=UTC).timestamp()


@dataclass(frozen=True)
class Bearer:
    """Whom a token names; ``ticket`` is that of a token of our own, None for one of the host's."""

    name: str
    ticket: Ticket | None


class Tokens:
    """Checks tokens by the keys of the settings, and issues some where there is a secret."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys: dict[str, tuple[str, ...]] = {}
        if settings.jwt_secrets:
            self._keys["HS256"] = settings.jwt_secrets
        algorithm = public_key_algorithm(settings.jwt_public_key)
        if algorithm is not None:
            self._keys[algorithm] = (settings.jwt_public_key,)

    @property
    def is_configured(self) -> bool:
        """Whether any token can be valid."""
        return bool(self._keys)

    @property
    def can_issue(self) -> bool:
        """Whether there is a secret to issue tokens with."""
        return "HS256" in self._keys

    @property
    def names_by_username(self) -> bool:
        """Whether a token's claim holds a username, and not an id."""
        return self._settings.jwt_names == "username"

    def bearer(self, token: str) -> Bearer:
        """Whom a valid token names, by id or by name as configured.

        Raises InvalidTokenError, whose text is a short reason without anything of the token.
        """
        if not self._keys:
            raise InvalidTokenError("no key is configured")
        if len(token) > MAX_LENGTH:
            raise InvalidTokenError("too long")
        try:
            algorithm = str(jwt.get_unverified_header(token).get("alg"))
            if algorithm not in self._keys:
                raise InvalidTokenError("not signed with the algorithm of a configured key")
            claims = self._decode(token, algorithm)
        except jwt.PyJWTError as error:
            raise InvalidTokenError(_words(error)) from None
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise InvalidTokenError("malformed") from None
        _require_date(claims["exp"])
        return Bearer(self._named(claims), _ticket(claims))

    def issue(self, signed_in: SignedIn) -> tuple[str, int]:
        """A token of a sign-in and its seconds. Raises InvalidTokenError without a secret."""
        if not self.can_issue:
            raise InvalidTokenError("no secret is configured to issue tokens with")
        now = datetime.now(UTC)
        actor, ticket = signed_in.actor, signed_in.ticket
        user = actor.username if self.names_by_username else actor.user_id
        claims = {
            "iss": self._settings.jwt_issuer or OWN_NAME,
            "aud": self._settings.jwt_audience or OWN_NAME,
            "sub": actor.user_id,
            self._settings.jwt_claim: user,
            "iat": now,
            "exp": now + LIFETIME,
            "jti": secrets.token_urlsafe(16),
            _TICKET: [ticket.session_id, ticket.user_id, ticket.fingerprint],
        }
        token = jwt.encode(claims, self._keys["HS256"][0], algorithm="HS256")
        return token, int(LIFETIME.total_seconds())

    def _decode(self, token: str, algorithm: str) -> dict[str, Any]:
        """The claims, by whichever key has signed them: one that is being replaced is good too."""
        *others, last = self._keys[algorithm]
        for key in others:
            with suppress(jwt.InvalidSignatureError):
                return self._decode_by(key, token, algorithm)
        return self._decode_by(last, token, algorithm)

    def _decode_by(self, key: str, token: str, algorithm: str) -> dict[str, Any]:
        settings = self._settings
        required = ["exp", settings.jwt_claim]
        required += ["iss"] if settings.jwt_issuer else []
        required += ["aud"] if settings.jwt_audience else []
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=settings.jwt_issuer or None,
            audience=settings.jwt_audience or None,
            leeway=LEEWAY,
            # sub is read by _named: hosts write numbers there too.
            options={
                "require": required,
                "verify_aud": bool(settings.jwt_audience),
                "verify_sub": False,
            },
        )

    def _named(self, claims: dict[str, Any]) -> str:
        value = claims.get(self._settings.jwt_claim)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        raise InvalidTokenError("its claim names no user")


def _ticket(claims: dict[str, Any]) -> Ticket | None:
    if _TICKET not in claims:
        return None
    parts = claims[_TICKET]
    if not isinstance(parts, list) or [type(part) for part in parts] != [str] * 3:
        raise InvalidTokenError("its ticket is malformed")
    return Ticket(*parts)


def _require_date(expires: Any) -> None:
    """Raises InvalidTokenError unless ``exp`` is a number (RFC 7519, section 2) and has a date.

    PyJWT takes a text of digits too, and a time that never comes.
    """
    # To Python a bool is an int as well.
    is_number = isinstance(expires, (int, float)) and not isinstance(expires, bool)
    if not is_number or expires > _LAST_DATE:
        raise InvalidTokenError("its time of expiry is no date")


def _words(error: jwt.PyJWTError) -> str:
    """The kind of refusal in words: PyJWT's own message can hold values of the token."""
    name = type(error).__name__.removesuffix("Error").removesuffix("Signature")
    return " ".join(re.findall("[A-Z]+(?![a-z])|[A-Z][a-z]+", name)).lower() or "invalid"
