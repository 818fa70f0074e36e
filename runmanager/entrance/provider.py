"""The identity provider: what it says of itself and of who signs in, asked for and checked.

The protocol is Authlib's (OpenID Connect Core 1.0, code flow with PKCE; Discovery 1.0; Back-Channel
Logout 1.0). Every request goes to an address that the configured issuer has named, follows no
redirect, and everything that one step needs is there within ten seconds or is not waited for.
"""

from __future__ import annotations

import asyncio
import logging
import time
from base64 import b64encode
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlsplit

import httpx2
from authlib.common.urls import add_params_to_uri  # type: ignore[import-untyped]
from authlib.integrations.base_client import OAuthError  # type: ignore[import-untyped]
from authlib.integrations.httpx_client import AsyncOAuth2Client  # type: ignore[import-untyped]
from authlib.oauth2.claims import JWTClaims  # type: ignore[import-untyped]
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey, import_key

from runmanager.errors import ProviderAwayError, ProviderError
from runmanager.records import ProviderSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from joserfc.jwt import Token

    from runmanager.entrance.trips import Trip
    from runmanager.settings import Settings

logger = logging.getLogger(__name__)

SECONDS = 10.0
SIGN_OUT_SECONDS = 3.0
# A signature that only the provider can make: never none, and no secret that two know.
ALGORITHMS = frozenset(f"{kind}{size}" for kind in ("RS", "ES", "PS") for size in (256, 384, 512))
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LEEWAY = 60
LOGOUT_SECONDS = 5 * 60
_KEPT_SECONDS = 3600.0
# Anybody may send a logout token that names a key which nobody has.
_KEYS_SECONDS = 10.0
_MAX_TEXT = 500


@dataclass(frozen=True)
class Told:
    """Whom the provider names, by the configured claim, and what it calls their session."""

    text: str
    session: ProviderSession


@dataclass(frozen=True)
class _Places:
    """What the provider says of itself."""

    authorization: str
    token: str
    keys: str
    userinfo: str | None
    end_session: str | None
    algorithms: tuple[str, ...]
    authentication: str
    at: float


@dataclass(frozen=True)
class _Keys:
    """The provider's keys, each with its id, and when they were fetched."""

    keys: tuple[tuple[str | None, RSAKey | ECKey], ...] = field(default=(), repr=False)
    at: float = float("-inf")


class Provider:
    """The configured provider of single sign-on."""

    def __init__(self, settings: Settings) -> None:
        self.issuer = settings.oidc_issuer
        self.name = urlsplit(settings.oidc_issuer).hostname or settings.oidc_issuer
        self._client_id = settings.oidc_client_id
        self._client_secret = settings.oidc_client_secret
        self._scopes = settings.oidc_scopes
        self._claim = settings.oidc_claim
        self._tls = httpx2.create_ssl_context()
        self._found: _Places | None = None
        self._keys = _Keys()
        self._looking = asyncio.Lock()
        self._heard: dict[str, float] = {}

    @property
    def origins(self) -> tuple[str, ...]:
        """Where a browser may be sent to sign out: the issuer's host, and the one it has named."""
        named = [self.issuer, self._found.end_session if self._found else None]
        return tuple(dict.fromkeys(_origin(one) for one in named if one))

    async def address_to_sign_in(self, trip: Trip, back: str) -> str:
        """Where a browser begins, to be sent ``back`` in the end."""
        async with self._talking() as client:
            places = await self._places(client)
            address, _state = client.create_authorization_url(
                places.authorization,
                state=trip.state,
                nonce=trip.nonce,
                code_verifier=trip.verifier,
                redirect_uri=back,
            )
            return str(address)

    async def who(self, code: str, trip: Trip, back: str, named_issuer: str) -> Told:
        """Who has come back with this code.

        ``named_issuer`` is who says to have sent them (RFC 9207), empty where nobody does.
        """
        if named_issuer not in {"", self.issuer}:
            raise ProviderError("another issuer has sent the browser back")
        async with self._talking() as client:
            places = await self._places(client)
            token = await self._exchange(client, places, code, trip, back)
            claims = await self._id_token(client, places, token, trip)
            named: Mapping[str, Any] = claims
            if self._claim not in claims or (
                self._claim == "email" and "email_verified" not in claims
            ):
                named = await self._userinfo(client, places, claims)
        session = ProviderSession(_text(claims.get("sub")), _text(claims.get("sid")))
        return Told(self._named(named), session)

    async def ended(self, logout_token: str) -> ProviderSession:
        """What has ended, as a logout token says.

        Raises ProviderError for one that is not the provider's, or that was heard already.
        """
        async with self._talking() as client:
            places = await self._places(client)
            token = await self._signed(client, places, logout_token, is_asked_for=False)
        if str(token.header.get("typ", "JWT")).lower() not in {"jwt", "logout+jwt"}:
            raise ProviderError("a token of another kind")
        claims = JWTClaims(
            token.claims,
            token.header,
            self._expected() | {name: {"essential": True} for name in ("iat", "jti", "events")},
        )
        _validate(claims)
        events = claims["events"]
        if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
            raise ProviderError("a token that says nothing of signing out")
        # An ID token has one: it must not pass for this.
        if "nonce" in claims:
            raise ProviderError("a logout token with a nonce")
        ended = ProviderSession(_text(claims.get("sub")), _text(claims.get("sid")))
        if ended.user is None and ended.session is None:
            raise ProviderError("a logout token that names nobody")
        self._hear(claims["jti"], claims["iat"])
        return ended

    async def address_to_sign_out(self, back: str) -> str | None:
        """Where a browser signs out there too (RP-Initiated Logout 1.0); None where it cannot."""
        try:
            async with asyncio.timeout(SIGN_OUT_SECONDS), self._talking() as client:
                places = await self._places(client)
        except (TimeoutError, ProviderError):
            return None
        if places.end_session is None:
            return None
        told = {"client_id": self._client_id, "post_logout_redirect_uri": back}
        return str(add_params_to_uri(places.end_session, list(told.items())))

    @asynccontextmanager
    async def _talking(self) -> AsyncIterator[Any]:
        """A client for one step; what does not arrive in time, or at all, is one error."""
        try:
            async with (
                asyncio.timeout(SECONDS),
                AsyncOAuth2Client(
                    self._client_id,
                    self._client_secret,
                    scope=self._scopes,
                    code_challenge_method="S256",
                    verify=self._tls,
                    timeout=SECONDS,
                    follow_redirects=False,
                ) as client,
            ):
                yield client
        except (TimeoutError, OSError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            logger.warning("The identity provider is away: %s", type(error).__name__)
            raise ProviderAwayError from None

    async def _json(self, client: Any, address: str, **how: Any) -> Any:
        answer = await client.request("GET", address, headers={"Accept": "application/json"}, **how)
        answer.raise_for_status()
        try:
            return answer.json()
        except (ValueError, RecursionError):
            raise _meaningless("an answer is no JSON") from None

    async def _places(self, client: Any) -> _Places:
        async with self._looking:
            if self._found is None or time.monotonic() - self._found.at > _KEPT_SECONDS:
                address = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
                found = await self._json(client, address, withhold_token=True)
                self._found = self._read_places(found)
        return self._found

    def _read_places(self, found: Any) -> _Places:
        if not isinstance(found, dict) or found.get("issuer") != self.issuer:
            raise _meaningless("its discovery does not name the issuer of RUNMANAGER_OIDC_ISSUER")
        named = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        addresses = {
            name: found[name]
            for name in (*named, "userinfo_endpoint", "end_session_endpoint")
            if self._is_address(found.get(name))
        }
        missing = [name for name in named if name not in addresses]
        if missing:
            raise _meaningless(f"its discovery has no safe address for {' and '.join(missing)}")
        algorithms = _texts(found.get("id_token_signing_alg_values_supported")) & ALGORITHMS
        if not algorithms:
            raise _meaningless("it signs by no algorithm of RS, ES or PS")
        ways = _texts(found.get("token_endpoint_auth_methods_supported"))
        is_post = "client_secret_post" in ways and "client_secret_basic" not in ways
        return _Places(
            authorization=addresses["authorization_endpoint"],
            token=addresses["token_endpoint"],
            keys=addresses["jwks_uri"],
            userinfo=addresses.get("userinfo_endpoint"),
            end_session=addresses.get("end_session_endpoint"),
            algorithms=tuple(sorted(algorithms)),
            authentication="client_secret_post" if is_post else "client_secret_basic",
            at=time.monotonic(),
        )

    def _is_address(self, value: Any) -> bool:
        """Whether it is one of TLS; an issuer on this machine may do without."""
        schemes = ("https://", "http://") if self.issuer.startswith("http://") else ("https://",)
        return isinstance(value, str) and value.startswith(schemes) and _is_plain(value)

    async def _exchange(
        self, client: Any, places: _Places, code: str, trip: Trip, back: str
    ) -> Mapping[str, Any]:
        client.register_client_auth_method(("client_secret_basic", _basic))
        client.token_endpoint_auth_method = places.authentication
        try:
            token: Mapping[str, Any] = await client.fetch_token(
                places.token,
                grant_type="authorization_code",
                code=code,
                code_verifier=trip.verifier,
                redirect_uri=back,
            )
        except OAuthError as error:
            raise ProviderError(f"the code was refused: {str(error.error)[:100]!r}") from None
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise _meaningless("its answer to the code is no token") from None
        return token

    async def _id_token(
        self, client: Any, places: _Places, token: Mapping[str, Any], trip: Trip
    ) -> dict[str, Any]:
        if not isinstance(token.get("id_token"), str):
            raise ProviderError("there is no ID token")
        found = await self._signed(client, places, token["id_token"], is_asked_for=True)
        told = {
            "nonce": trip.nonce,
            "client_id": self._client_id,
            "access_token": token.get("access_token"),
        }
        claims = CodeIDToken(found.claims, found.header, self._expected(), told)
        _validate(claims)
        return dict(claims)

    async def _userinfo(
        self, client: Any, places: _Places, claims: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """The claims that the ID token leaves out; of the same user only (Core 1.0, 5.3.2)."""
        if places.userinfo is None:
            return claims
        token = client.token
        is_bearer = str(token.get("token_type", "")).lower() == "bearer"
        if not is_bearer or not isinstance(token.get("access_token"), str):
            raise ProviderError("the access token is no bearer token")
        found = await self._json(client, places.userinfo, auth=client.token_auth)
        if not isinstance(found, dict) or found.get("sub") != claims["sub"]:
            raise ProviderError("the user's claims are not those of the ID token's user")
        return found

    def _named(self, claims: Mapping[str, Any]) -> str:
        value = claims.get(self._claim)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if _text(value) is None:
            raise ProviderError(f"the claim {self._claim} names no user")
        # Whoever may write any address into their profile could otherwise be anybody.
        if self._claim == "email" and claims.get("email_verified") not in (True, "true"):
            raise ProviderError("the e-mail address is not verified (email_verified)")
        return str(value)

    def _expected(self) -> dict[str, Any]:
        return {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": self._client_id},
        }

    async def _signed(
        self, client: Any, places: _Places, token: str, *, is_asked_for: bool
    ) -> Token:
        """The token, where one of the provider's keys has signed it.

        ``is_asked_for`` is one that the provider itself has just answered with: for a key that is
        unknown its keys are fetched anew, for anybody else's only now and then.
        """
        try:
            header = jws.extract_compact(token.encode()).headers()
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            raise ProviderError(f"a token is malformed: {type(error).__name__}") from None
        kid = header.get("kid")
        async with self._looking:
            age = time.monotonic() - self._keys.at
            is_unknown = not self._fitting(kid)
            if age > _KEPT_SECONDS or (is_unknown and (is_asked_for or age > _KEYS_SECONDS)):
                self._keys = await self._fetch_keys(client, places)
        reason = "no key of the provider's has its id"
        for key in self._fitting(kid):
            try:
                registry = jws.JWSRegistry(
                    algorithms=list(places.algorithms), strict_check_header=False
                )
                return jwt.decode(token, key, registry=registry)
            except (JoseError, ValueError, TypeError, RecursionError) as error:
                reason = type(error).__name__
        raise ProviderError(f"a token is not the provider's: {reason}")

    def _fitting(self, kid: Any) -> list[RSAKey | ECKey]:
        return [key for own, key in self._keys.keys if kid is None or own == kid]

    async def _fetch_keys(self, client: Any, places: _Places) -> _Keys:
        found = await self._json(client, places.keys, withhold_token=True)
        listed = found.get("keys") if isinstance(found, dict) else None
        if not isinstance(listed, list):
            raise _meaningless("its keys are no list of keys")
        keys: list[tuple[str | None, RSAKey | ECKey]] = []
        for one in listed:
            # A key that means nothing here is passed over, as RFC 7517 says.
            with suppress(JoseError, ValueError, TypeError, KeyError, AttributeError):
                key = import_key(one)
                if isinstance(key, (RSAKey, ECKey)) and one.get("use", "sig") == "sig":
                    keys.append((one.get("kid"), key))
        return _Keys(tuple(keys), time.monotonic())

    def _hear(self, jti: str, issued_at: float) -> None:
        """Take a logout token once: said again, it would end what has begun since."""
        now = time.time()
        self._heard = {one: at for one, at in self._heard.items() if at > now}
        if abs(now - issued_at) > LOGOUT_SECONDS:
            raise ProviderError("a logout token of another time")
        if jti in self._heard:
            raise ProviderError("a logout token that was heard already")
        self._heard[jti] = now + 2 * LOGOUT_SECONDS


def _basic(
    client: Any, _method: str, uri: str, headers: dict[str, str], body: str
) -> tuple[str, dict[str, str], str]:
    """Name and secret in the header, encoded as RFC 6749 (2.3.1) says; Authlib does not."""
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    return uri, headers, body


def _validate(claims: Any) -> None:
    try:
        claims.validate(leeway=LEEWAY)
    except JoseError as error:
        name = getattr(error, "claim_name", None) or getattr(error, "claim", None) or ""
        raise ProviderError(f"its claims are refused: {type(error).__name__} {name}") from None
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise ProviderError("its claims are malformed") from None


def _meaningless(reason: str) -> ProviderAwayError:
    logger.warning("The identity provider answers in a way that means nothing: %s", reason)
    return ProviderAwayError()


def _text(value: Any) -> str | None:
    """A name or an id; None for what can be none."""
    is_text = isinstance(value, str) and value.strip() and len(value) <= _MAX_TEXT
    return value if is_text and value.isprintable() else None


def _texts(value: Any) -> frozenset[str]:
    listed = value if isinstance(value, list) else []
    return frozenset(one for one in listed if isinstance(one, str))


def _is_plain(address: str) -> bool:
    try:
        is_address = bool(urlsplit(address).hostname)
    except ValueError:
        return False
    return is_address and address.isascii() and address.isprintable() and " " not in address


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
