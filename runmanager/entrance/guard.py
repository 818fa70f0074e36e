"""The guard: whatever comes to the process comes here first.

Who is not signed in gets the sign-in page, its door, health, the icon and the API, which has tokens
of its own. Everything else of the dashboard is passed on only with a good session cookie, and with
an identity that nobody but the guard can set.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from runmanager.entrance import headers, places, requests
from runmanager.entrance.calls import call
from runmanager.entrance.cookies import Cookies
from runmanager.entrance.doors import Doors
from runmanager.entrance.identity import HEADERS, Identity
from runmanager.entrance.openid import OpenIdDoors
from runmanager.entrance.places import OPENID_PLACES, Place
from runmanager.entrance.provider import Provider
from runmanager.entrance.proxy import SECRET_HEADER, ProxySignOn
from runmanager.entrance.requests import Trust
from runmanager.entrance.sign_in_page import SignInPage
from runmanager.entrance.sockets import Sockets
from runmanager.entrance.styled import styled
from runmanager.entrance.trips import Trips
from runmanager.errors import RunManagerError, SignedOutError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from runmanager.entrance.requests import Asked
    from runmanager.entrance.wire import Wire
    from runmanager.records import Ticket
    from runmanager.service import RunManager
    from runmanager.settings import Settings

# The front end's many files are asked for at once: one answer about their sign-in is good for so
# long. They hold nothing of the host's.
_GOOD_SECONDS = 1.0
_MOST_KNOWN = 1000
_READING = {"GET", "HEAD"}
_OVER = "Your sign-in is no longer valid: only active administrators can use Run Manager."
_RETRY = {"Retry-After": "5"}
# What Streamlit must not see: who is signed in comes from us alone, and a foreign Origin would make
# it ask another host for its own address.
_KEPT_BACK = frozenset(
    {b"cookie", b"origin", b"authorization", SECRET_HEADER, *(one.encode() for one in HEADERS)}
)


@dataclass(frozen=True)
class _Open:
    """What the guard works with once the process has opened its database."""

    service: RunManager
    trust: Trust
    base: str
    cookies: Cookies
    page: SignInPage
    doors: Doors
    sockets: Sockets
    icon: bytes
    styles: bytes
    known: dict[str, tuple[float, Identity]]
    openid: OpenIdDoors | None
    proxy: ProxySignOn | None


class Entrance:
    """The guard's parts, which the process opens before the first visitor."""

    def __init__(self, api_prefix: str) -> None:
        self.api_prefix = api_prefix
        self._open: _Open | None = None

    def open(
        self,
        service: RunManager,
        settings: Settings,
        *,
        base_path: str,
        wire: Wire,
        icon: bytes,
        styles: bytes = b"",
        demo: tuple[str, str] | None = None,
    ) -> None:
        """Let the guard answer; called in the event loop that serves.

        ``icon`` is the picture on the sign-in page and its tab (SVG), ``styles`` the dashboard's
        own stylesheet (CSS), ``demo`` the name and password that the sign-in page shows.
        """
        base = f"/{base_path.strip('/')}" if base_path.strip("/") else ""
        provider = Provider(settings) if settings.oidc_issuer else None
        page = SignInPage(
            base,
            icon,
            demo,
            provider=None if provider is None else provider.name,
            has_proxy=bool(settings.proxy_user_header),
            has_passwords=lambda: service.signing_in.has_passwords,
        )
        cookies = Cookies(settings.cookie_keys)
        sockets = Sockets(service, wire)
        doors = Doors(service, cookies, page, base, self.api_prefix, sockets, provider)
        trust = Trust(settings.allowed_hosts, settings.trusted_proxies)
        known: dict[str, tuple[float, Identity]] = {}
        service.signing_in.on_end(known.clear)
        self._open = _Open(
            service=service,
            trust=trust,
            base=base,
            cookies=cookies,
            page=page,
            doors=doors,
            sockets=sockets,
            icon=icon,
            styles=styles,
            known=known,
            openid=None if provider is None else _openid_doors(doors, provider, settings),
            proxy=_proxy_sign_on(doors, trust, settings) if settings.proxy_user_header else None,
        )

    @property
    def opened(self) -> _Open:
        """The parts; only the process's start comes before them."""
        assert self._open is not None, "the entrance is opened before anything is served"  # noqa: S101
        return self._open


class Guard:
    """ASGI middleware in front of the dashboard and the API."""

    def __init__(self, app: ASGIApp, entrance: Entrance) -> None:
        self._app = app
        self._entrance = entrance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on what may be passed on."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        opened = self._entrance.opened
        asked = requests.read(scope, opened.base, opened.trust)
        place = places.place_of(asked.path, self._entrance.api_prefix)
        # The address that is believed, for whoever stands behind.
        client = scope.get("client") or ("", 0)
        scope = {**scope, "client": (asked.address, client[1])}
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send, asked, place)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                headers.add(
                    found,
                    is_tls=asked.is_tls,
                    is_static=place is Place.STATIC,
                    signing_out=opened.openid.provider.origins if opened.openid else (),
                )
            await send(message)

        response = await self._http(scope, asked, place, receive)
        if response is None:
            passed_on: Send = send_with_headers
            if place is Place.PAGE and asked.method == "GET":
                passed_on = styled(send_with_headers, opened.styles)
            await self._app(self._passed_on(scope, place), receive, passed_on)
        else:
            await response(scope, receive, send_with_headers)

    async def _http(
        self, scope: Scope, asked: Asked, place: Place, receive: Receive
    ) -> Response | None:
        """The guard's own answer; None where the request is passed on."""
        opened = self._entrance.opened
        if place is Place.HEALTH:
            return None if asked.method in _READING else _not_allowed("GET, HEAD")
        if not opened.trust.serves(asked.host):
            return PlainTextResponse("This host is not served here.", 400)
        if place is Place.API:
            return None
        if place is Place.FAVICON:
            return Response(opened.icon, media_type="image/svg+xml")
        if place is Place.NOWHERE:
            return self._nowhere(scope, asked)
        ticket = opened.cookies.ticket(asked)
        if place in OPENID_PLACES:
            if opened.openid is None:
                return self._nowhere(scope, asked)
            return await opened.openid.answer(place, asked, receive, ticket)
        if place in _DOORS:
            return await self._door(asked, place, receive, ticket)
        return await self._dashboard(scope, asked, place, ticket)

    async def _door(
        self, asked: Asked, place: Place, receive: Receive, ticket: Ticket | None
    ) -> Response:
        doors = self._entrance.opened.doors
        if place is Place.SIGN_OUT:
            if asked.method != "POST":
                return _not_allowed("POST")
            return await doors.sign_out(asked, ticket)
        if asked.method == "POST":
            return await doors.sign_in(asked, receive, ticket)
        if asked.method in _READING:
            return await self._sign_in_page(asked, ticket)
        return _not_allowed("GET, HEAD, POST")

    async def _sign_in_page(self, asked: Asked, ticket: Ticket | None) -> Response:
        """The page at its own address; who is signed in goes on."""
        opened = self._entrance.opened
        wanted = places.after_sign_in(
            asked.parameter("next"), opened.base, self._entrance.api_prefix
        )
        if ticket is not None:
            # Open tabs ask here by themselves: that is no sign of anybody at the keyboard.
            found = await self._identity(ticket, is_fresh=True, is_active=False)
            if isinstance(found, Identity):
                return RedirectResponse(wanted, 303)
        return opened.page.form(wanted)

    async def _dashboard(
        self, scope: Scope, asked: Asked, place: Place, ticket: Ticket | None
    ) -> Response | None:
        opened = self._entrance.opened
        is_page = place is Place.PAGE and asked.method in _READING
        found = None
        if ticket is not None:
            # What a page hands out is the host's data, as the page is.
            is_fresh = is_page or place is Place.MEDIA
            found = await self._identity(ticket, is_fresh=is_fresh, is_active=is_page)
        address = places.address_of(scope["path"], asked.query)
        wanted = places.after_sign_in(address, opened.base, self._entrance.api_prefix)
        if is_page and asked.method == "GET" and opened.proxy is not None:
            named = opened.proxy.named(asked)
            identity = found if isinstance(found, Identity) else None
            if named is not None:
                answer = await opened.proxy.sign_in(named, asked, identity, ticket, wanted)
                if answer is not None:
                    return answer
        if isinstance(found, Identity):
            return None if asked.method in _READING else _not_allowed("GET, HEAD")
        if not is_page:
            return PlainTextResponse("Sign in to use Run Manager.", 401)
        if isinstance(found, RunManagerError):
            return opened.page.form(wanted, problem=found.message, status=503, headers=_RETRY)
        if ticket is None:
            return opened.page.form(wanted)
        return opened.doors.without_cookie(opened.page.form(wanted, problem=_OVER))

    async def _identity(
        self, ticket: Ticket, *, is_fresh: bool, is_active: bool
    ) -> Identity | RunManagerError | None:
        """Who the ticket says is signed in; None where it is good no more, or why it is unknown."""
        opened = self._entrance.opened
        known = opened.known.get(ticket.session_id)
        if not is_fresh and known is not None and time.monotonic() - known[0] < _GOOD_SECONDS:
            return known[1] if known[1].ticket == ticket else None
        opened.known.pop(ticket.session_id, None)
        try:
            actor = await call(opened.service.signing_in.actor_of, ticket, is_active=is_active)
        except SignedOutError:
            return None
        except RunManagerError as error:
            return error
        if len(opened.known) >= _MOST_KNOWN:
            opened.known.clear()
        found = Identity(actor, ticket)
        opened.known[ticket.session_id] = (time.monotonic(), found)
        return found

    async def _websocket(
        self, scope: Scope, receive: Receive, send: Send, asked: Asked, place: Place
    ) -> None:
        opened = self._entrance.opened
        ticket = opened.cookies.ticket(asked)
        is_ours = (
            place is Place.STREAM
            and opened.trust.serves(asked.host)
            and asked.is_of_own_origin
            and ticket is not None
        )
        found = None
        if is_ours and ticket is not None:
            # Browsers connect anew by themselves.
            found = await self._identity(ticket, is_fresh=True, is_active=False)
        if not isinstance(found, Identity) or not opened.sockets.has_room(found):
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        scope = self._passed_on(scope, place)
        scope["headers"] = [*scope["headers"], *found.headers()]
        await opened.sockets.serve(self._app, scope, receive, send, found)

    def _passed_on(self, scope: Scope, place: Place) -> Scope:
        """The request as it is passed on; the API reads its own headers."""
        kept_back = _KEPT_BACK - {b"authorization", b"origin"} if place is Place.API else _KEPT_BACK
        if place is Place.PAGE:
            # Packed, it would take no stylesheet; it is small, and never kept by a browser.
            kept_back |= {b"accept-encoding"}
        if (proxy := self._entrance.opened.proxy) is not None:
            kept_back |= {proxy.header}
        kept = [(key, value) for key, value in scope["headers"] if key.lower() not in kept_back]
        return {**scope, "headers": kept}

    def _nowhere(self, scope: Scope, asked: Asked) -> Response:
        base = self._entrance.opened.base
        if base and scope["path"] == base:
            # The cookie's path has the slash: without it nobody is signed in.
            return RedirectResponse(places.address_of(f"{base}/", asked.query), 308)
        return PlainTextResponse("Not Found", 404)


_DOORS = {Place.SIGN_IN, Place.SIGN_OUT}


def _openid_doors(doors: Doors, provider: Provider, settings: Settings) -> OpenIdDoors:
    return OpenIdDoors(
        doors, provider, Trips(settings.cookie_keys, doors.base), settings.oidc_matches
    )


def _proxy_sign_on(doors: Doors, trust: Trust, settings: Settings) -> ProxySignOn:
    return ProxySignOn(
        doors=doors,
        trust=trust,
        header=settings.proxy_user_header.lower().encode(),
        secrets=settings.proxy_secrets,
        matches=settings.proxy_matches,
    )


def _not_allowed(methods: str) -> Response:
    return PlainTextResponse("Method Not Allowed", 405, headers={"Allow": methods})
