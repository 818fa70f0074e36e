"""The two doors: POST /sign-in and POST /sign-out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.responses import PlainTextResponse, RedirectResponse, Response

from runmanager.entrance import cookies
from runmanager.entrance.calls import call, call_to_sign_in
from runmanager.entrance.places import after_sign_in
from runmanager.entrance.sign_in_page import MAX_FIELD
from runmanager.errors import (
    NoPasswordsError,
    NotAdminError,
    RunManagerError,
    TooManyError,
    WrongPasswordError,
)
from runmanager.records import SignInMethod

if TYPE_CHECKING:
    from starlette.types import Receive

    from runmanager.entrance.cookies import Cookies
    from runmanager.entrance.provider import Provider
    from runmanager.entrance.requests import Asked
    from runmanager.entrance.sign_in_page import SignInPage
    from runmanager.entrance.sockets import Sockets
    from runmanager.records import SignedIn, Ticket
    from runmanager.service import RunManager

# A name, a password and an address, percent-encoded, with room to spare.
MAX_BODY = 20_000
BODY_SECONDS = 10.0
RETRY_SECONDS = "5"
_FORM = "application/x-www-form-urlencoded"
REFUSED = (
    "Not signed in: the name or the password is wrong, or the account is not that of an active "
    "administrator."
)


@dataclass(frozen=True)
class Doors:
    """Signs in and out. ``base`` is the base path, ``api_prefix`` the API's below it.

    Who has come by way of the ``provider`` is sent there once more when they sign out.
    """

    service: RunManager
    cookies: Cookies
    page: SignInPage
    base: str
    api_prefix: str
    sockets: Sockets
    provider: Provider | None

    async def sign_in(self, asked: Asked, receive: Receive, ticket: Ticket | None) -> Response:
        """Answer the sign-in form: 303 with a cookie, or the form again with what is wrong.

        ``ticket`` is that of a sign-in which this browser has already; it ends with the new one.
        """
        if not asked.is_of_own_origin:
            return PlainTextResponse("Forbidden: sign in from Run Manager's own page.", 403)
        fields = await read_form(asked, receive)
        if isinstance(fields, Response):
            return fields
        name, password = fields.get("username", ""), fields.get("password", "")
        wanted = after_sign_in(fields.get("next", ""), self.base, self.api_prefix)
        try:
            signed_in = await self._sign_in(name, password, asked)
        except NoPasswordsError as error:
            return self.page.form(wanted, problem=error.message, status=401)
        except (WrongPasswordError, NotAdminError):
            return self.page.form(wanted, problem=REFUSED, name=name[:MAX_FIELD], status=401)
        except TooManyError as error:
            return self.page.form(
                wanted, problem=error.message, name=name[:MAX_FIELD], status=429,
                headers={"Retry-After": str(error.retry_after)},
            )  # fmt: skip
        except RunManagerError as error:
            return self.page.form(
                wanted, problem=error.message, name=name[:MAX_FIELD], status=503,
                headers={"Retry-After": RETRY_SECONDS},
            )  # fmt: skip
        return await self.let_in(signed_in, asked, wanted, ticket)

    async def let_in(
        self, signed_in: SignedIn, asked: Asked, wanted: str, ticket: Ticket | None
    ) -> Response:
        """Send the browser on to a page of ours, with its new cookie."""
        if ticket is not None:
            await call(self.service.signing_in.replace, ticket)
        response = RedirectResponse(wanted, 303)
        device = self.service.signing_in.device_of(signed_in.actor)
        response.headers.append("Set-Cookie", self.cookies.set(signed_in, asked, self.base))
        response.headers.append("Set-Cookie", cookies.set_device(device, asked, self.base))
        return response

    async def sign_out(self, asked: Asked, ticket: Ticket | None) -> Response:
        """End the sign-in, or with ``everywhere=1`` all of that user's; then the sign-in page."""
        if not asked.is_of_own_origin:
            return PlainTextResponse("Forbidden: sign out from Run Manager's own page.", 403)
        everywhere = asked.parameter("everywhere") == "1"
        onward = None
        if ticket is not None:
            signing_in = self.service.signing_in
            end = signing_in.sign_out_everywhere if everywhere else signing_in.sign_out
            try:
                if await call(signing_in.method_of, ticket) is SignInMethod.OIDC:
                    onward = await self._to_provider(asked)
                if onward is not None:
                    self.sockets.leave(ticket)
                await call(end, ticket)
            except RunManagerError as error:
                return self.page.message(
                    "You are still signed in", error.message, 503, {"Retry-After": RETRY_SECONDS}
                )
        return self.without_cookie(RedirectResponse(onward or f"{self.base}/", 303))

    def without_cookie(self, response: Response) -> Response:
        """Let ``response`` take the session cookie from the browser."""
        for header in self.cookies.unset(self.base):
            response.headers.append("Set-Cookie", header)
        return response

    async def _to_provider(self, asked: Asked) -> str | None:
        if self.provider is None or asked.origin is None:
            return None
        return await self.provider.address_to_sign_out(f"{asked.origin}{self.base}/")

    async def _sign_in(self, name: str, password: str, asked: Asked) -> SignedIn:
        if not name or not password or max(len(name), len(password)) > MAX_FIELD:
            raise WrongPasswordError
        return await call_to_sign_in(
            self.service.signing_in.sign_in,
            name,
            password,
            asked.address,
            device=cookies.device_of(asked),
        )


async def read_form(asked: Asked, receive: Receive) -> dict[str, str] | Response:
    """The fields of the form that is sent, or the answer to what is none."""
    kind = (asked.header(b"content-type") or "").partition(";")[0].strip().lower()
    if kind != _FORM:
        return PlainTextResponse("Send the fields of a form.", 415)
    body = await _body(receive)
    return body if isinstance(body, Response) else _fields(body)


async def _body(receive: Receive) -> bytes | Response:
    """The whole body, or the answer to one that is too long or too slow."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return PlainTextResponse("The form was not sent to its end.", 400)
                body += message.get("body", b"")
                if len(body) > MAX_BODY:
                    return PlainTextResponse(
                        "The form is too long.", 413, headers={"Connection": "close"}
                    )
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        return PlainTextResponse(
            "The form took too long to arrive.", 408, headers={"Connection": "close"}
        )


def _fields(body: bytes) -> dict[str, str]:
    """The form's fields; none of one that is no form, or says a field twice."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=10, errors="strict"
        )
    except ValueError:
        return {}
    return dict(pairs) if len(dict(pairs)) == len(pairs) else {}
