"""A bound on what is read of a request, applied while it streams in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from runmanager.api.problems import AsciiJSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 1_000_000
# A caller that is still sending when its connection closes never reads the answer. So this much
# more is read and thrown away, for this long.
DRAINED_BYTES = 4_000_000
DRAIN_SECONDS = 2.0


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
            await _refuse(receive, send, more=True)
            return
        # The whole body is read first: once the endpoint has begun, it is too late for a 413. In
        # one piece: a million messages of a byte each would take far more than a megabyte.
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return  # the caller has gone, and what it did send must not be taken for a whole
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > MAX_BODY_BYTES:
                await _refuse(receive, send, more=more)
                return
        pending: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def receive_again() -> Message:
            return pending.pop() if pending else await receive()

        await self._app(scope, receive_again, send)


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:18])
    return 0


async def _refuse(receive: Receive, send: Send, *, more: bool) -> None:
    response = AsciiJSONResponse(
        {"detail": "The body is longer than 1 MB: send fewer ids at once."},
        status_code=413,
        # What is still on its way is not read: the connection cannot be used again.
        headers={"Connection": "close"},
    )
    await send(
        {"type": "http.response.start", "status": 413, "headers": list(response.raw_headers)}
    )
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    left = DRAINED_BYTES
    with anyio.move_on_after(DRAIN_SECONDS):
        while more and left > 0:
            message = await receive()
            more = message["type"] == "http.request" and message.get("more_body", False)
            left -= len(message.get("body", b""))
    await send({"type": "http.response.body", "body": b""})
