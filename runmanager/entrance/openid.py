"""The doors of single sign-on: to the identity provider, back from it, and what it ends.

Who comes back is whoever the provider says; whether they are an active administrator is asked of
the host's database, as for everybody. Nothing of the provider's text is shown.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from runmanager.entrance.calls import call
from runmanager.entrance.doors import RETRY_SECONDS, read_form
from runmanager.entrance.places import Place, after_sign_in
from runmanager.entrance.trips import PATH
from runmanager.errors import NotAdminError, ProviderAwayError, ProviderError, RunManagerError
from runmanager.records import SignInMethod

if TYPE_CHECKING:
    from starlette.types import Receive

    from runmanager.entrance.doors import Doors
    from runmanager.entrance.provider import Provider, Told
    from runmanager.entrance.requests import Asked
    from runmanager.entrance.trips import Trip, Trips
    from runmanager.records import Ticket

logger = logging.getLogger(__name__)

NOT_BEGUN = (
    "Not signed in: this sign-in was not begun in this browser, or more than ten minutes ago. Try "
    "again."
)
GIVEN_UP = "Not signed in: the sign-in at {name} was refused there, or given up. Try again."
REFUSED = (
    "Not signed in: what {name} says of you cannot be accepted. Try again; Run Manager's log has "
    "the reason."
)
NOBODY = (
    "Not signed in: {name} knows you, but you are not an active administrator here. Ask an "
    "administrator to give you the role."
)
AWAY = (
    "{name} cannot be reached, or does not answer as it should. Try again in a moment, or sign in "
    "with name and password."
)
# What a provider says when it is itself in trouble (RFC 6749, 4.1.2.1).
_IN_TROUBLE = {"server_error", "temporarily_unavailable"}


@dataclass(frozen=True)
class OpenIdDoors:
    """Signs in by the provider; ``matches`` is what it names a user by: id, username or email."""

    doors: Doors
    provider: Provider
    trips: Trips
    matches: str

    async def answer(
        self, place: Place, asked: Asked, receive: Receive, ticket: Ticket | None
    ) -> Response:
        """Answer at one of the three addresses.

        ``ticket`` is that of a sign-in which this browser has already; it ends with the new one.
        """
        wanted = "POST" if place is Place.OPENID_ENDED else "GET"
        if asked.method != wanted:
            return PlainTextResponse("Method Not Allowed", 405, headers={"Allow": wanted})
        if place is Place.OPENID_ENDED:
            return await self._ended(asked, receive)
        if asked.origin is None:
            return PlainTextResponse("This host is not served here.", 400)
        back = f"{asked.origin}{self.doors.base}{PATH}/back"
        if place is Place.OPENID:
            return await self._begin(asked, back)
        return await self._back(asked, back, ticket)

    async def _begin(self, asked: Asked, back: str) -> Response:
        """Send the browser to the provider."""
        wanted = after_sign_in(asked.parameter("next"), self.doors.base, self.doors.api_prefix)
        trip = self.trips.begin(wanted)
        try:
            address = await self.provider.address_to_sign_in(trip, back)
        except ProviderAwayError:
            return self._page(wanted, AWAY, 503)
        response = RedirectResponse(address, 303)
        for header in self.trips.keep(trip, asked):
            response.headers.append("Set-Cookie", header)
        return response

    async def _back(self, asked: Asked, back: str, ticket: Ticket | None) -> Response:
        """Let in who comes back from the provider, in the browser that went there."""
        trip = self.trips.of(asked, asked.parameter("state"))
        if trip is None:
            return self._page("", NOT_BEGUN, 403)
        response = await self._arrival(asked, back, trip, ticket)
        response.headers.append("Set-Cookie", self.trips.end(trip, asked))
        return response

    async def _arrival(
        self, asked: Asked, back: str, trip: Trip, ticket: Ticket | None
    ) -> Response:
        if said := asked.parameter("error"):
            logger.info("Not signed in, the provider says: %r", said[:100])
            is_away = said in _IN_TROUBLE
            return self._page(trip.wanted, AWAY if is_away else GIVEN_UP, 503 if is_away else 401)
        try:
            told = await self.provider.who(
                asked.parameter("code"), trip, back, asked.parameter("iss")
            )
            return await self._let_in(told, asked, trip, ticket)
        except ProviderAwayError:
            return self._page(trip.wanted, AWAY, 503)
        except ProviderError as error:
            logger.warning("Not signed in by the provider: %s", error.message)
            return self._page(trip.wanted, REFUSED, 401)
        except NotAdminError:
            logger.warning("Not signed in by the provider: no active administrator, or several")
            return self._page(trip.wanted, NOBODY, 403)
        except RunManagerError as error:
            return self._page(trip.wanted, error.message, 503)

    async def _let_in(
        self, told: Told, asked: Asked, trip: Trip, ticket: Ticket | None
    ) -> Response:
        signed_in = await call(
            self.doors.service.signing_in.sign_in_as,
            self.matches,
            told.text,
            SignInMethod.OIDC,
            told.session,
        )
        return await self.doors.let_in(signed_in, asked, trip.wanted, ticket)

    async def _ended(self, asked: Asked, receive: Receive) -> Response:
        """End what the provider says has ended (Back-Channel Logout 1.0)."""
        fields = await read_form(asked, receive)
        if isinstance(fields, Response):
            return fields
        try:
            ended = await self.provider.ended(fields.get("logout_token", ""))
            await call(self.doors.service.signing_in.end_by_provider, ended)
        except ProviderAwayError as error:
            return PlainTextResponse(error.message, 503, headers={"Retry-After": RETRY_SECONDS})
        except ProviderError as error:
            logger.warning("Nobody signed out by the provider: %s", error.message)
            return JSONResponse({"error": "invalid_request"}, 400)
        except RunManagerError as error:
            return PlainTextResponse(error.message, 503, headers={"Retry-After": RETRY_SECONDS})
        return Response(status_code=200)

    def _page(self, wanted: str, problem: str, status: int) -> Response:
        """The sign-in page, which says why nobody is signed in."""
        return self.doors.page.form(
            wanted or f"{self.doors.base}/",
            problem=problem.replace("{name}", self.provider.name),
            status=status,
            headers={"Retry-After": RETRY_SECONDS} if status == 503 else None,  # noqa: PLR2004
        )
