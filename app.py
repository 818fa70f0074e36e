"""The process: dashboard and API on one port, one command."""

from __future__ import annotations

import os
import signal
import socket
import stat
import sys
import threading
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import streamlit as st
from starlette.middleware import Middleware

from pages.parts import messages, session
from pages.wire import StreamlitWire
from runmanager import logs
from runmanager.api import create_api
from runmanager.api.application import PREFIX, mounted, open_api
from runmanager.api.context import Context
from runmanager.demo import Demo, open_demo
from runmanager.entrance import Entrance, Guard
from runmanager.entrance.connections import bound_connections
from runmanager.errors import SettingsError, StartError
from runmanager.open_files import allow_many
from runmanager.service import RunManager
from runmanager.settings import Settings
from runmanager.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import FrameType

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
# Of Streamlit's variables, `python app.py` would read secrets only; `streamlit run` reads all.
_WHERE_TO_LISTEN = {
    "STREAMLIT_SERVER_ADDRESS": "server.address",
    "STREAMLIT_SERVER_PORT": "server.port",
    "STREAMLIT_SERVER_BASE_URL_PATH": "server.baseUrlPath",
    "STREAMLIT_SERVER_SSL_CERT_FILE": "server.sslCertFile",
    "STREAMLIT_SERVER_SSL_KEY_FILE": "server.sslKeyFile",
}


# Forwarded headers are read by the guard alone, from configured proxies: the web server itself
# would believe any program on this machine.
os.environ["FORWARDED_ALLOW_IPS"] = ""


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[dict[str, Any]]:
    """Open the database before the first visitor, and let deletions end before the process does."""
    logs.to_stderr()
    allow_many()
    send_at_once()
    # Importing it reads Streamlit's configuration, which is whole only now.
    from pages.passwords import is_password

    try:
        settings = Settings.from_environment(os.environ)
        url, demo = settings.database_url, None
        if url is None:
            demo = _open_demo(settings)
            url = demo.url
            settings = replace(
                settings,
                cookie_keys=(demo.cookie_key,),
                state_dir=settings.state_dir or demo.state_dir,
            )
        service = RunManager.open(url, settings, is_password)
    except StartError as error:
        _give_up(error.message)
    session.provide(service)
    open_api(
        api, Context(service, Tokens(settings), openapi_is_public=settings.openapi == "public")
    )
    pages = Path(__file__).with_name("pages")
    entrance.open(
        service,
        settings,
        base_path=st.get_option("server.baseUrlPath") or "",
        wire=StreamlitWire(),
        icon=pages.joinpath("icon.svg").read_bytes(),
        styles=pages.joinpath("stylesheet.css").read_bytes(),
        demo=None if demo is None else (demo.username, demo.password),
    )
    close_early(service)
    try:
        yield {}
    finally:
        service.close()
        if demo is not None:
            demo.close()


def close_early(service: RunManager) -> None:
    """Let operations end after their present batch as soon as the process is told to end.

    The web server first waits for every answer that it owes, and one may be that of a deletion:
    the lifespan's end comes behind it.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)

        def end(number: int, frame: FrameType | None, before: Any = before) -> None:
            # In a thread of its own: what is interrupted here may hold a lock that it needs.
            threading.Thread(target=service.begin_closing, daemon=True).start()
            if callable(before):
                before(number, frame)

        signal.signal(number, end)


def send_at_once() -> None:
    """Let what this process sends over its listening sockets leave without waiting for more.

    Streamlit binds its socket without naming TCP, and asyncio turns Nagle's algorithm off only
    where it reads that name: the body of every answer on a kept connection then waits 40 ms, until
    the client acknowledges the headers. What a listening socket is told, those that it accepts
    inherit. https://github.com/Kludex/uvicorn/issues/3149
    """
    opened = Path("/dev/fd")
    for descriptor in [int(one.name) for one in opened.iterdir()] if opened.is_dir() else []:
        # What is no TCP socket, or was only open to list the others, is passed over.
        with suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
            with socket.socket(fileno=os.dup(descriptor)) as one:
                if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _open_demo(settings: Settings) -> Demo:
    if st.get_option("server.address") not in _LOOPBACK:
        raise SettingsError(
            "The demo's passwords are public, so it listens on localhost only: set DATABASE_URL to "
            "serve a database of yours, or leave STREAMLIT_SERVER_ADDRESS alone."
        )
    return open_demo(settings.demo_dir)


def _give_up(sentence: str) -> NoReturn:
    # The web server would print a traceback and leave with its own code; nothing runs yet that
    # would need an orderly end.
    sys.stderr.write(f"Run Manager: {logs.one_line(sentence)}\n")
    sys.stderr.flush()
    os._exit(1)


def _run() -> None:
    chosen: dict[str, Any] = {
        option: os.environ[variable]
        for variable, option in _WHERE_TO_LISTEN.items()
        if os.environ.get(variable)
    }
    port = chosen.get("server.port", "8501")
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 1 << 16):
        _give_up("STREAMLIT_SERVER_PORT must be a port number, 1 to 65535.")
    if "server.port" in chosen:
        chosen["server.port"] = int(port)
    try:
        app.run(config=chosen)
    except KeyboardInterrupt:
        # Ctrl-C has ended the server in order: no traceback, and a shell's own code for it.
        sys.exit(128 + signal.SIGINT)


bound_connections()
api = create_api()
entrance = Entrance(PREFIX)
app = st.App(
    "pages/shell.py",
    routes=mounted(api, lambda: st.get_option("server.baseUrlPath") or ""),
    lifespan=lifespan,
    on_script_error=messages.say_unexpected,
    middleware=[Middleware(Guard, entrance=entrance)],
)

if __name__ == "__main__":
    _run()
