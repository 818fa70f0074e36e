"""What a browser session holds, and the service: the only user of st.session_state and of both.

Each part keeps what it has to remember in a small dataclass of its own, and gets this session's
instance of it from ``slot``. This module imports no part, so that every part may import it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

if TYPE_CHECKING:
    from runmanager.service import RunManager

T = TypeVar("T")

_SLOTS = "run_manager"
_SIGNED_IN = "authentication_status"
_USERNAME = "username"


@dataclass(frozen=True)
class SignIn:
    """How one signs in to this process; ``demo`` is the name and password to show, if any."""

    cookie_key: str = field(repr=False)
    demo: tuple[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class _Provided:
    service: RunManager
    sign_in: SignIn


_provided: list[_Provided] = []


def provide(service: RunManager, sign_in: SignIn) -> None:
    """Give every session this service and this way to sign in; the process does so once."""
    _provided[:] = [_Provided(service, sign_in)]


def service() -> RunManager:
    """The one door to the host's database."""
    return _provided[0].service


def sign_in() -> SignIn:
    """How one signs in to this process."""
    return _provided[0].sign_in


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


def forget() -> None:
    """Drop everything that this session held for whoever was signed in."""
    st.session_state[_SLOTS] = {}


def signed_in_name() -> str | None:
    """The name that this session signed in with, as the authenticator keeps it."""
    if st.session_state.get(_SIGNED_IN) is not True:
        return None
    name = st.session_state.get(_USERNAME)
    return name if isinstance(name, str) and name else None


def sign_in_failed() -> bool:
    """Whether the last attempt to sign in was refused."""
    return st.session_state.get(_SIGNED_IN) is False


def ignore_cookie() -> None:
    """Let the cookie that the browser sent sign nobody in: the authenticator asks this first."""
    st.session_state["logout"] = True


def seed(key: str, value: object) -> None:
    """Set a widget's value before it is drawn."""
    if st.session_state.get(key) != value:
        st.session_state[key] = value


def value(key: str) -> object:
    """A widget's value, None before it was drawn."""
    return st.session_state.get(key)
