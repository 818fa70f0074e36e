"""Signing in: streamlit-authenticator over the host's users, and the gate before every page.

Only its ``login`` and ``logout`` are used, with credentials built anew from the active admins. What
it gets wrong is held here: hashing (off), its pauses (none), its cookie's unhandled errors, and an
unknown name that answers faster than a known one.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import streamlit as st
import streamlit_authenticator as stauth
from jwt.exceptions import PyJWTError
from streamlit_authenticator.utilities import LoginError

from pages.parts import session
from pages.parts.messages import shown_errors
from runmanager.errors import NotAdminError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streamlit.delta_generator import DeltaGenerator

    from runmanager.records import Actor, Credential

COOKIE_NAME = "runmanager_session"
# The authenticator writes the browser's expiry in the server's local time: less than a day could be
# over before it began in another time zone. The signed time inside is the one that counts.
COOKIE_DAYS = 1.0
# Every refusal takes this long: a known name costs a bcrypt check, an unknown one nothing.
REFUSAL_SECONDS = 0.7


@dataclass
class _SigningIn:
    """Where this session is between signing in and out, and what its cookie's frame has to do."""

    admitted: Actor | None = None
    is_signing_out: bool = False
    cookie_is_due: bool = False
    cookie_is_leaving: bool = False
    cookie_was_refused: bool = False


def require_admin() -> Actor:
    """The signed-in admin. Every page begins with this: it ends the script run for anybody else."""
    name = session.signed_in_name()
    if name is None:
        st.error("Sign in to use Run Manager.")
        st.stop()
    # The shell has asked the database a moment ago, in this same script run.
    held = session.slot(_SigningIn)
    admitted, held.admitted = held.admitted, None
    if admitted is not None:
        return admitted
    with shown_errors():
        return session.service().signing_in.actor_for(name)


def require_sign_in() -> Actor:
    """The signed-in admin, after drawing the sign-in form until there is one."""
    # Always there, so that its frames come and go without moving the page.
    cookie_place = st.container(key="cookie")
    if session.signed_in_name() is None or _cookie_has_work():
        _work_on_cookie(cookie_place)
    name = session.signed_in_name()
    if name is None:
        st.stop()
    try:
        actor = session.service().signing_in.actor_for(name)
    except NotAdminError as error:
        session.slot(_SigningIn).admitted = None
        _refuse(name, error)
    session.slot(_SigningIn).admitted = actor
    return actor


def draw_sign_out() -> None:
    """The way out, at the end of the sidebar."""
    with st.sidebar.container(key="way-out"):
        st.button("Sign out", key="sign_out", on_click=_ask_to_sign_out, icon=":material/logout:")


@contextmanager
def top_line(actor: Actor) -> Iterator[None]:
    """The page's first line: what is drawn inside, and who is signed in at its right end."""
    with st.container(
        key="top", horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        with st.container(width="content"):
            yield
        with st.container(key="signed-in", width="content"):
            st.text(f"signed in as {actor.username}")


def _cookie_has_work() -> bool:
    held = session.slot(_SigningIn)
    return held.is_signing_out or held.cookie_is_due


def _work_on_cookie(place: DeltaGenerator) -> None:
    """Everything that needs the authenticator, which draws a frame for its cookie once a run."""
    with shown_errors():
        credentials = session.service().signing_in.credentials()
    with place:
        authenticator = _authenticator(credentials)
        # The frame reports the browser's cookies once it has loaded; until then this run's
        # successors must draw it again, or it would be gone before it could set ours or delete it.
        cookies = authenticator.cookie_controller.cookie_model.cookie_manager.cookies
        if session.slot(_SigningIn).is_signing_out:
            if session.signed_in_name() is not None:
                authenticator.logout(location="unrendered")
            session.forget()
            session.slot(_SigningIn).cookie_is_leaving = True
        elif session.slot(_SigningIn).cookie_is_leaving:
            if cookies and COOKIE_NAME not in cookies:
                session.slot(_SigningIn).cookie_is_leaving = False
            else:
                authenticator.cookie_controller.delete_cookie()
        elif session.slot(_SigningIn).cookie_is_due:
            if COOKIE_NAME in cookies:
                session.slot(_SigningIn).cookie_is_due = False
            else:
                authenticator.cookie_controller.set_cookie()
    if session.signed_in_name() is None:
        _draw_form(authenticator)


def _draw_form(authenticator: stauth.Authenticate) -> None:
    with st.container(key="sign-in"):
        st.markdown("## Run Manager")
        st.markdown("Find, review and delete workflow runs. For administrators.")
        started = time.monotonic()
        try:
            cookie = authenticator.cookie_controller.get_cookie()
            authenticator.login(
                location="main",
                fields={
                    "Form name": "Sign in",
                    "Username": "Name",
                    "Password": "Password",
                    "Login": "Sign in",
                },
                key="sign_in_form",
            )
        except (LoginError, PyJWTError, KeyError, TypeError, ValueError):
            # A cookie that was signed otherwise, or names somebody who is no admin any more: it
            # signs nobody in, it leaves the browser, and the form stands in its place.
            session.ignore_cookie()
            session.slot(_SigningIn).cookie_is_leaving = True
            session.slot(_SigningIn).cookie_was_refused = True
            st.rerun()
        if session.signed_in_name() is not None:
            # The form has done its part: the next run draws the page, and sets the cookie, unless
            # it was the cookie that signed them in: its frame's reruns could swallow a click.
            session.forget()
            session.slot(_SigningIn).cookie_is_due = not cookie
            st.rerun()
        if session.sign_in_failed():
            _say_refused(started)
        elif session.slot(_SigningIn).cookie_was_refused:
            st.error(
                "Your sign-in is no longer valid: only active administrators can use Run Manager.",
                icon=":material/block:",
            )
        _show_demo()


def _say_refused(started: float) -> None:
    time.sleep(max(0.0, REFUSAL_SECONDS - (time.monotonic() - started)))
    st.error(
        "Not signed in: the name or the password is wrong, or the account is not that of an "
        "active administrator. Only administrators can use Run Manager.",
        icon=":material/block:",
    )


def _show_demo() -> None:
    demo = session.sign_in().demo
    if demo is None:
        return
    with st.container(border=True, key="demo-sign-in"):
        st.markdown("**This is the demo.** Its data is made up; sign in with")
        st.code(f"{demo[0]}\n{demo[1]}", language=None)


def _refuse(name: str, error: NotAdminError) -> NoReturn:
    with st.container(key="sign-in"):
        st.markdown("## Run Manager")
        with st.container(border=True, key="message"):
            st.markdown("**This page is for administrators**")
            st.text(f"You are signed in as {name}. {error.message}")
        st.button("Sign out", key="sign_out", on_click=_ask_to_sign_out)
    st.stop()


def _ask_to_sign_out() -> None:
    session.slot(_SigningIn).is_signing_out = True


def _authenticator(credentials: Iterable[Credential]) -> stauth.Authenticate:
    return stauth.Authenticate(
        {
            "usernames": {
                one.username.strip(): {"name": one.username, "password": one.password_hash}
                for one in credentials
            }
        },
        cookie_name=COOKIE_NAME,
        cookie_key=session.sign_in().cookie_key,
        cookie_expiry_days=COOKIE_DAYS,
        auto_hash=False,
        login_sleep_time=0,
    )
