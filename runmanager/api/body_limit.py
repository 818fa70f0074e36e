"""A bound on what is read of a request, applied while it streams in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runmanager.api.problems import AsciiJSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 1_000_000


class BodyLimit:
    """Answers 413 as soon as a body is known, or seen, to be longer than 1 MB."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; cut it off where its body is too long."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _declared_length(scope) > MAX_BODY_BYTES:
            await _refuse(scope, receive, send)
            return
        # The whole body is read first: once the endpoint has begun, it is too late for a 413.
        messages: list[Message] = []
        length = 0
        while True:
            message = await receive()
            messages.append(message)
            length += len(message.get("body", b""))
            if length > MAX_BODY_BYTES:
                await _refuse(scope, receive, send)
                return
            if message["type"] != "http.request" or not message.get("more_body", False):
                break
        replay = iter(messages)

        async def receive_again() -> Message:
            message = next(replay, None)
            return message if message is not None else await receive()

        await self._app(scope, receive_again, send)


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:18])
    return 0


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    response = AsciiJSONResponse(
        {"detail": "The body is longer than 1 MB: send fewer ids at once."},
        status_code=413,
        # What is still on its way is not read: the connection cannot be used again.
        headers={"Connection": "close"},
    )
    await response(scope, receive, send)
