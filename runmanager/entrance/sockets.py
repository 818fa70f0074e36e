"""The dashboard's sockets: how many there may be, and that each ends with its sign-in.

A browser asks for everything over its socket, so each run of a page that is asked for is preceded
by the question whether its sign-in is still good; between them, all sign-ins with an open socket
are asked about once a second. What has ended is told so, and its tab goes to the sign-in page.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from runmanager.entrance.calls import call
from runmanager.errors import RunManagerError, SignedOutError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from runmanager.entrance.identity import Identity
    from runmanager.entrance.wire import Said, Wire
    from runmanager.records import Ticket
    from runmanager.service import RunManager

logger = logging.getLogger(__name__)

MAX_OF_ONE = 20
MAX_OF_ALL = 400
WATCH_SECONDS = 1.0
# The tab that signs out is on its way to the sign-in page by itself; told as well, it would turn
# back before it has heard that its cookie is to go.
GRACE_SECONDS = 0.5
# Who is sent to the provider may take longer to leave.
LEAVING_SECONDS = 2.0
_POLICY, _UNSUPPORTED, _MALFORMED = 1008, 1003, 1002


class Sockets:
    """Every open socket of the dashboard."""

    def __init__(self, service: RunManager, wire: Wire) -> None:
        self._service = service
        self._wire = wire
        self._open: set[_Socket] = set()
        self._watching: asyncio.Task[None] | None = None
        self._look_now = asyncio.Event()
        loop = asyncio.get_running_loop()
        service.signing_in.on_end(lambda: _wake(loop, self._look_now))

    def has_room(self, identity: Identity) -> bool:
        """Whether this sign-in may open one more."""
        own = sum(one.identity.ticket == identity.ticket for one in self._open)
        return own < MAX_OF_ONE and len(self._open) < MAX_OF_ALL

    def leave(self, ticket: Ticket) -> None:
        """Let this sign-in's tabs go in peace: the one that signs out is sent to the provider.

        To be told to go to the sign-in page would call it back from there.
        """
        for one in self._open:
            if one.identity.ticket == ticket:
                one.is_leaving = True

    async def serve(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, identity: Identity
    ) -> None:
        """Let ``app`` talk with a browser for as long as its sign-in is good."""
        socket = _Socket(self._service, self._wire, receive, send, identity)
        self._open.add(socket)
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        try:
            await app(scope, socket.receive, socket.send)
        finally:
            self._open.discard(socket)
            socket.close()

    async def _watch(self) -> None:
        while self._open:
            self._look_now.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._look_now.wait(), WATCH_SECONDS)
            # While the store is away nobody can be signed out; the host's database is asked by
            # every page.
            with suppress(RunManagerError):
                await self._end_those_over()
        self._watching = None

    async def _end_those_over(self) -> None:
        looked_at = list(self._open)
        tickets = {one.identity.ticket for one in looked_at}
        actors = await call(self._service.signing_in.actors_of, tickets)
        for one in looked_at:
            if actors.get(one.identity.ticket.session_id) != one.identity.actor:
                asyncio.get_running_loop().call_later(GRACE_SECONDS, one.end)


class _Socket:
    """One open socket."""

    def __init__(
        self,
        service: RunManager,
        wire: Wire,
        receive: Receive,
        send: Send,
        identity: Identity,
    ) -> None:
        self.identity = identity
        self.is_leaving = False
        self._service = service
        self._wire = wire
        self._receive, self._send = receive, send
        self._ended = asyncio.Event()
        self._waiting: asyncio.Task[Message] | None = None
        self._has_begun = False
        self._is_closed = False

    def end(self) -> None:
        """The sign-in is over: let the tab go to the sign-in page."""
        self._ended.set()

    def close(self) -> None:
        """Nothing more is waited for."""
        if self._waiting is not None:
            self._waiting.cancel()

    async def send(self, message: Message) -> None:
        """Send what the dashboard says, unless the socket is closed already."""
        if not self._is_closed:
            await self._send(message)

    async def receive(self) -> Message:
        """The next message that the dashboard may hear."""
        while True:
            message = await self._next()
            if message is None:
                return await self._say_goodbye()
            if message["type"] != "websocket.receive":
                return message
            data = message.get("bytes")
            if data is None:
                return await self._close(_UNSUPPORTED)
            said = self._wire.read(data)
            if said is None:
                return await self._close(_MALFORMED)
            if not said.is_allowed:
                continue
            if not said.is_run:
                return message
            is_first = not self._has_begun
            if not await self._is_good(said):
                return await self._say_goodbye()
            # A page that has connected anew asks for a part of itself, which a process that has
            # started since, or another instance, has never drawn: nothing would come of the click.
            return {**message, "bytes": self._wire.of_whole_page(data)} if is_first else message

    async def _next(self) -> Message | None:
        """The next message, None once the sign-in is over."""
        if self._waiting is None:
            self._waiting = asyncio.ensure_future(self._receive())
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait({self._waiting, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
        if self._ended.is_set():
            return None
        message, self._waiting = self._waiting.result(), None
        return message

    async def _is_good(self, said: Said) -> bool:
        # The first run is asked for by the browser itself, also when it connects anew.
        is_active = self._has_begun and not said.is_timer
        self._has_begun = True
        signing_in = self._service.signing_in
        try:
            actor = await call(
                lambda: signing_in.actor_of(self.identity.ticket, is_active=is_active)
            )
        except SignedOutError:
            return False
        except RunManagerError as error:
            # The store is away: this sign-in was good when the socket was opened.
            logger.warning("A sign-in could not be looked at: %s", error.message)
            return True
        return actor == self.identity.actor

    async def _say_goodbye(self) -> Message:
        if self.is_leaving and (message := await self._gone()) is not None:
            return message
        await self.send({"type": "websocket.send", "bytes": self._wire.load_anew()})
        return await self._close(_POLICY)

    async def _gone(self) -> Message | None:
        """The message that the tab has left; None where it is still there after a while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVING_SECONDS):
                while True:
                    message = await (self._waiting or self._receive())
                    self._waiting = None
                    if message["type"] == "websocket.disconnect":
                        return message
        return None

    async def _close(self, code: int) -> Message:
        await self.send({"type": "websocket.close", "code": code})
        self._is_closed = True
        return {"type": "websocket.disconnect", "code": code}


def _wake(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    # The loop is closed when the process ends.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(event.set)
