"""What a browser session holds, and the service: the only user of st.session_state and of both.

Each part keeps what it has to remember in a small dataclass of its own, and gets this session's
instance of it from ``slot``. This module imports no part, so that every part may import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType
from streamlit.runtime.scriptrunner_utils.script_run_context import get_script_run_ctx

from runmanager.entrance.identity import Identity, read_identity

if TYPE_CHECKING:
    from runmanager.service import RunManager

T = TypeVar("T")

_SLOTS = "run_manager"

_provided: list[RunManager] = []


def provide(service: RunManager) -> None:
    """Give every session this service; the process does so once."""
    _provided[:] = [service]


def service() -> RunManager:
    """The one door to the host's database."""
    return _provided[0]


def identity() -> Identity | None:
    """Who is signed in, as the guard in front of Streamlit says; None where it says nothing."""
    return read_identity(st.user.to_dict())


def address(path: str) -> str:
    """A path of this process's, below the base path under which it is served."""
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}{path}" if base else path


def slot(kind: type[T]) -> T:
    """This session's one ``kind``, created empty when it is first asked for.

    ``kind`` is a dataclass whose fields all have defaults. Only the file that defines it asks for
    it; what other files may do is offered there as functions.
    """
    slots = st.session_state.get(_SLOTS)
    if slots is None:
        slots = st.session_state[_SLOTS] = {}
    if kind not in slots:
        slots[kind] = kind()
    found: T = slots[kind]
    return found


def is_asked_for_more() -> bool:
    """Whether the browser has asked for another run while this one goes on; for what waits.

    Streamlit lets this run end first where a part of the page is asked for; one of the whole page
    ends this one here, whenever the session's state is read.
    """
    st.session_state.get(_SLOTS)
    context = get_script_run_ctx()
    requests = None if context is None else context.script_requests
    return requests is not None and requests._state is ScriptRequestType.RERUN


def is_run_of_a_part() -> bool:
    """Whether only parts of the page are drawn in this run, or their widgets' callbacks called."""
    context = get_script_run_ctx()
    return context is not None and bool(context.fragment_ids_this_run)


def seed(key: str, value: object) -> None:
    """Set a widget's value before it is drawn."""
    if st.session_state.get(key) != value:
        st.session_state[key] = value


def value(key: str) -> object:
    """A widget's value, None before it was drawn."""
    return st.session_state.get(key)
