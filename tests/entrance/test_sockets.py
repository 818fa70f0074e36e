"""The dashboard's socket: for whom it opens, what it takes, and that it ends with its sign-in."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg

from runmanager.entrance import sockets
from tests.entrance.conftest import HOST, Browser
from tests.entrance.test_sessions import ENDS
from tests.polling import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.entrance.conftest import OpenSite, Site, Socket
    from tests.hosts import HostWriter

STREAM = "/_stcore/stream"


def run(*, is_timer: bool = False, search: str = "") -> BackMsg:
    """What a browser sends to have its page run."""
    message = BackMsg()
    message.rerun_script.query_string = search
    message.rerun_script.is_auto_rerun = is_timer
    return message


def of_kind(kind: str) -> BackMsg:
    """A message of this kind that holds what such a message may."""
    message = BackMsg()
    getattr(message, kind)
    field = message.DESCRIPTOR.fields_by_name[kind]
    if field.message_type is not None:
        getattr(message, kind).SetInParent()
    else:
        setattr(message, kind, "x" if field.cpp_type == field.CPPTYPE_STRING else True)
    return message


def is_closed(socket: Socket) -> bool:
    """Whether the guard has closed it."""
    return socket.closed_with is not None


def is_sent_away(socket: Socket) -> bool:
    """Whether the tab was let load its address anew, and then the socket closed."""
    return socket.closed_with == 1008 and [one.WhichOneof("type") for one in socket.messages] == [
        "auth_redirect"
    ]


# For whom


def test_it_opens_for_who_is_signed_in_from_our_own_page(ada: Browser, browser: Browser) -> None:
    assert ada.opens_socket
    assert not browser.opens_socket


def test_it_opens_for_no_other_sites_page(ada: Browser) -> None:
    for origin in (
        "https://evil.example", "null", "", f"http://{HOST}:8501", f"http://x.{HOST}",
        f"http://{HOST}.evil.example", f"http://u@{HOST}", f"ws://{HOST}", "http://localhost:3000",
    ):  # fmt: skip
        assert not ada.socket(origin=origin).is_open, origin
        assert ada.site.dashboard.requests == [], origin


def test_it_does_not_open_for_who_does_not_say_where_from(ada: Browser) -> None:
    cookie = ("cookie", f"runmanager={ada.session_cookie}")
    own = ("origin", f"http://{HOST}")
    for headers in ([("host", HOST), cookie], [own, cookie], [("host", HOST), own, own, cookie]):
        assert not ada.site.socket(STREAM, headers).is_open
    assert ada.site.socket(STREAM, [("host", HOST), own, cookie]).is_open


def test_there_is_one_at_its_own_address_only(ada: Browser) -> None:
    headers = {
        "host": HOST,
        "origin": f"http://{HOST}",
        "cookie": f"runmanager={ada.session_cookie}",
    }
    for target in (
        "/", "/run", "/stream", "/_stcore/stream/", "/_stcore/streamx", "/run/_stcore/stream",
        "/_stcore/health", "/admin/run-manager/runs", "/_stcore//stream", "/sign-in", "/static/x",
    ):  # fmt: skip
        socket = ada.site.socket(target, headers)
        assert not socket.is_open, target
        assert socket.closed_with == 1008, target
        assert ada.site.dashboard.requests == [], target


def test_a_sign_in_has_so_many_and_no_more(ada: Browser, site: Site) -> None:
    held = [ada.socket() for _number in range(sockets.MAX_OF_ONE)]
    assert all(one.is_open for one in held)
    assert not ada.opens_socket
    other = Browser(site).signed_in()
    assert other.opens_socket
    held[0].close()
    assert ada.opens_socket


def test_all_together_have_so_many_and_no_more(
    ada: Browser, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "MAX_OF_ALL", 3)
    held = [ada.socket(), ada.socket(), Browser(site).signed_in().socket()]
    assert all(one.is_open for one in held)
    assert not Browser(site).signed_in().opens_socket
    held[0].close()
    assert ada.opens_socket


# What it takes


def test_it_hears_what_a_page_needs(ada: Browser) -> None:
    socket = ada.socket()
    wanted = [run(), run(is_timer=True), of_kind("stop_script"), of_kind("app_heartbeat")]
    for message in wanted:
        socket.tell(message)
    wait_until(lambda: len(ada.site.dashboard.heard) == len(wanted), 10)
    assert ada.site.dashboard.heard == [one.SerializeToString() for one in wanted]
    assert socket.is_open


NEEDED = {"rerun_script", "stop_script", "app_heartbeat"}
OTHERS = [one.name for one in BackMsg.DESCRIPTOR.oneofs_by_name["type"].fields]


def test_it_does_not_hear_what_no_page_needs(ada: Browser) -> None:
    heard = ada.site.dashboard.heard
    for kind in OTHERS:
        if kind not in NEEDED:
            heard.clear()
            socket = ada.socket()
            socket.tell(of_kind(kind))
            socket.tell(BackMsg())
            socket.tell(run())
            wait_until(lambda: bool(heard), 10)
            assert heard == [run().SerializeToString()], kind
            assert socket.is_open, kind
            socket.close()


def test_what_is_no_message_closes_it(ada: Browser) -> None:
    messages: dict[bytes | str, int] = {
        b"\xff\xff\xff": 1002, b"\x00": 1002, "text": 1003, "": 1003,
    }  # fmt: skip
    for message, code in messages.items():
        socket = ada.socket()
        socket.tell(message)
        wait_until(partial(is_closed, socket), 10)
        assert socket.closed_with == code, message
        assert ada.site.dashboard.heard == [], message
        assert ada.opens_socket, message


# Its end


@pytest.mark.parametrize("end", ENDS)
def test_a_tab_is_sent_away_by_itself_when_its_sign_in_ends(
    ada: Browser, open_site: OpenSite, host: HostWriter, end: str
) -> None:
    here, there = ada.socket(), Browser(open_site()).signed_in().socket()
    assert here.is_open
    assert there.is_open
    ENDS[end](host)
    for socket in (here, there):
        wait_until(partial(is_sent_away, socket), 3)


OUT: dict[str, Callable[[Browser], object]] = {
    "signing out": lambda browser: browser.sign_out(),
    "signing out everywhere": lambda browser: browser.sign_out("?everywhere=1"),
    "signing in anew": lambda browser: browser.sign_in(),
}


@pytest.mark.parametrize("out", OUT)
def test_a_tab_is_sent_away_by_itself_when_its_browser_leaves(
    ada: Browser, open_site: OpenSite, out: str
) -> None:
    there = Browser(open_site(), cookies=dict(ada.cookies)).socket()
    here, other = ada.socket(), Browser(ada.site).signed_in()
    others = other.socket()
    OUT[out](ada)
    for socket in (here, there):
        wait_until(partial(is_sent_away, socket), 3)
    assert others.is_open == (out != "signing out everywhere")


@pytest.mark.parametrize("end", ["the same password, hashed anew", "demotion", "deletion"])
def test_nothing_more_is_run_once_the_sign_in_has_ended(
    ada: Browser, host: HostWriter, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    # Nobody looks by themselves: only the question before each run is left.
    monkeypatch.setattr(sockets, "WATCH_SECONDS", 3600.0)
    socket = ada.socket()
    socket.tell(run())
    wait_until(lambda: len(ada.site.dashboard.heard) == 1, 10)
    ENDS[end](host)
    socket.tell(run(search="delete"))
    wait_until(lambda: is_sent_away(socket), 10)
    assert len(ada.site.dashboard.heard) == 1


def test_who_is_renamed_is_sent_to_load_the_page_anew(ada: Browser, host: HostWriter) -> None:
    socket = ada.socket()
    host.execute("UPDATE users SET username = 'ada l'")
    wait_until(lambda: is_sent_away(socket), 3)
    assert ada.opens_socket


def test_a_pages_own_timers_are_nothing_done(open_site: OpenSite) -> None:
    site = open_site(session_idle_minutes=1.5 / 60)
    clicking, waiting = (Browser(site).signed_in().socket() for _browser in range(2))
    for one in (clicking, waiting):
        one.tell(run())  # the first, by the browser itself
    for _time in range(4):
        time.sleep(0.6)
        clicking.tell(run())
        waiting.tell(run(is_timer=True))
    wait_until(lambda: is_sent_away(waiting), 3)
    assert clicking.is_open
