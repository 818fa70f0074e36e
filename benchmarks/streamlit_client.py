"""A dashboard's tab without a browser: Streamlit's own protocol over its websocket.

A ``Tab`` holds what a browser holds: the elements on its screen, the values of its widgets, the
address, and the large messages that the server need not send twice. Whoever drives it finds widgets
by what the admin sees, never by the ids and fragments of one version of the page.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from streamlit.proto.Element_pb2 import Element
    from websockets.asyncio.client import ClientConnection

LONGEST = 60.0
# A run may ask for another one, such as st.rerun() does: so long is waited for that one to begin.
# It is no part of any time that is measured.
QUIET = 0.25
_KEPT_MESSAGES = 8


@dataclass(frozen=True)
class Shown:
    """One element on the screen, and what it was drawn by."""

    element: Element
    fragment_id: str
    run_id: str


class Screen:
    """The elements on the page by their places; what a run did not draw again goes when it ends."""

    def __init__(self) -> None:
        self._shown: dict[tuple[int, ...], Shown] = {}
        self._run_id = ""
        self._fragment_ids: frozenset[str] = frozenset()
        self.errors: list[str] = []

    def elements(self, kind: str) -> Iterator[tuple[Any, str]]:
        """The elements of one kind, such as "button", each with the id of its fragment."""
        for shown in self._shown.values():
            if shown.element.WhichOneof("type") == kind:
                yield getattr(shown.element, kind), shown.fragment_id

    def begin(self, message: ForwardMsg) -> None:
        """A run begins."""
        self._run_id = message.metadata.run.script_run_id
        self._fragment_ids = frozenset(message.metadata.run.fragment_ids)

    def put(self, message: ForwardMsg) -> Element | None:
        """Put what the message draws in its place, and return it if it is an element."""
        delta = message.delta
        if delta.WhichOneof("type") != "new_element":
            return None
        element = delta.new_element
        if element.WhichOneof("type") == "exception":
            self.errors.append(element.exception.message)
        place = tuple(message.metadata.delta_path)
        self._shown[place] = Shown(element, delta.fragment_id, self._run_id)
        return element

    def end(self) -> None:
        """A run has ended as it should: what it left out was there before, and is gone."""
        self._shown = {
            place: shown
            for place, shown in self._shown.items()
            if shown.run_id == self._run_id
            or (self._fragment_ids and shown.fragment_id not in self._fragment_ids)
        }


@dataclass
class Tab:
    """One open tab; ``seconds`` of each act last until the last run that it caused has ended."""

    socket: ClientConnection
    url: str
    query: str
    screen: Screen = field(default_factory=Screen)
    received: int = 0
    _values: dict[str, WidgetState] = field(default_factory=dict)
    _page: str = ""
    _kept: deque[ForwardMsg] = field(default_factory=lambda: deque(maxlen=_KEPT_MESSAGES))

    async def load(self) -> float:
        """Ask for the page as a browser does once it is connected."""
        return await self._rerun("")

    async def set(self, state: WidgetState, fragment_id: str) -> float:
        """Set a widget's value, which stays."""
        self._values[state.id] = state
        return await self._rerun(fragment_id)

    async def press(self, button_id: str, fragment_id: str) -> float:
        """Press a button."""
        return await self._rerun(fragment_id, WidgetState(id=button_id, trigger_value=True))

    def value(self, widget_id: str) -> WidgetState | None:
        """The value that a widget has in this tab."""
        return self._values.get(widget_id)

    async def _rerun(self, fragment_id: str, *triggers: WidgetState) -> float:
        message = BackMsg()
        state = message.rerun_script
        state.query_string = self.query
        state.fragment_id = fragment_id
        state.page_script_hash = self._page
        state.widget_states.widgets.extend([*self._values.values(), *triggers])
        state.cached_message_hashes.extend(kept.hash for kept in self._kept)
        state.context_info.timezone = "Europe/Berlin"
        state.context_info.locale = "en-US"
        state.context_info.url = self.url
        self.screen.errors.clear()
        self.received = 0
        began = time.perf_counter()
        await self.socket.send(message.SerializeToString())
        return await self._until_quiet() - began

    async def _until_quiet(self) -> float:
        """Take messages until no run goes on; the time when the last one ended."""
        ended: float | None = None
        while True:
            try:
                async with asyncio.timeout(LONGEST if ended is None else QUIET):
                    data = await self.socket.recv()
            except TimeoutError:
                if ended is None:
                    raise
                return ended
            assert isinstance(data, bytes)  # noqa: S101  the protocol has no text frames
            self.received += len(data)
            message = ForwardMsg.FromString(data)
            if message.WhichOneof("type") == "new_session":
                ended = None
            elif message.WhichOneof("type") == "script_finished" and self._is_last(message):
                ended = time.perf_counter()
            self._take(message)

    @staticmethod
    def _is_last(message: ForwardMsg) -> bool:
        return message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN

    def _take(self, message: ForwardMsg) -> None:
        match message.WhichOneof("type"):
            case "new_session":
                self.screen.begin(message)
                self._page = message.new_session.page_script_hash
            case "navigation":
                self._page = message.navigation.page_script_hash
            case "page_info_changed":
                self.query = message.page_info_changed.query_string
            case "ref_hash" | "delta":
                self._draw(message)
            case "session_event":
                self.screen.errors.append(str(message.session_event).strip())
            case "script_finished" if self._is_last(message):
                if message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                    self.screen.errors.append("The script did not compile.")
                self.screen.end()
                self._forget_values()

    def _draw(self, message: ForwardMsg) -> None:
        if message.WhichOneof("type") == "ref_hash":
            kept = next(one for one in self._kept if one.hash == message.ref_hash)
            self._kept.remove(kept)
            self._kept.append(kept)
            full = ForwardMsg()
            full.CopyFrom(kept)
            full.metadata.CopyFrom(message.metadata)
            message = full
        elif message.metadata.cacheable:
            self._kept.append(message)
        element = self.screen.put(message)
        if element is not None:
            self._take_value(element)

    def _take_value(self, element: Element) -> None:
        """A widget's value as the server sets it, or the one that it starts with."""
        kind = element.WhichOneof("type")
        if kind not in _INITIAL:
            return
        widget = getattr(element, kind)
        if widget.set_value or widget.id not in self._values:
            state = _INITIAL[kind](widget)
            if state is None:
                self._values.pop(widget.id, None)
            else:
                self._values[widget.id] = state

    def _forget_values(self) -> None:
        there = {
            widget.id
            for kind in (*_INITIAL, "dataframe")
            for widget, _fragment_id in self.screen.elements(kind)
        }
        self._values = {one: state for one, state in self._values.items() if one in there}


def _text_value(widget: Any) -> WidgetState:
    value = widget.value if widget.set_value else widget.default
    return WidgetState(id=widget.id, string_value=value)


def _page_value(widget: Any) -> WidgetState:
    value = widget.value if widget.set_value else widget.default
    return WidgetState(id=widget.id, int_value=value)


def _chosen_value(widget: Any) -> WidgetState | None:
    if widget.set_value:
        chosen = widget.raw_value if widget.HasField("raw_value") else None
    else:
        chosen = widget.options[widget.default] if widget.HasField("default") else None
    return None if chosen is None else WidgetState(id=widget.id, string_value=chosen)


_INITIAL = {"text_input": _text_value, "pagination": _page_value, "selectbox": _chosen_value}


@asynccontextmanager
async def open_tab(url: str, cookies: Mapping[str, str], query: str = "") -> AsyncIterator[Tab]:
    """A tab that is connected, and has not asked for the page yet."""
    async with connect(
        f"{url.replace('http', 'ws', 1)}/_stcore/stream",
        origin=url,  # type: ignore[arg-type]  # a NewType over str, made by the package itself
        # The second is where a browser puts its XSRF token, for Streamlit's own sign-in only.
        subprotocols=["streamlit", "PLACEHOLDER_AUTH_TOKEN"],  # type: ignore[list-item]
        additional_headers={"Cookie": "; ".join(f"{n}={value}" for n, value in cookies.items())},
        max_size=None,
    ) as socket:
        yield Tab(socket, f"{url}/?{query}", query)
