"""The addresses of Streamlit's own web server, as its own code names them.

Run as a program it prints them: a process of its own, because Streamlit allows one runtime in each.
"""

from __future__ import annotations

import json
import subprocess
import sys

from tests.processes import ROOT

# What an attacker would put where a route leaves a place open.
_OPEN_PLACES = {
    "{file_id:path}": "0123456789abcdef0123456789abcdef.svg",
    "{session_id}": "0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f",
    "{file_id}": "0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f",
    "{path:path}": "index.html",
}
# Served by the last route, which takes whatever no other one has taken.
_FILES = (
    "/",
    "/index.html",
    "/manifest.json",
    "/favicon.png",
    "/favicon.ico",
    "/static/media/x.js",
)


def streamlit_paths() -> list[str]:
    """A path for each route there is, also for those that are turned off here."""
    command = [sys.executable, "-m", "tests.security.routes"]
    printed = subprocess.run(  # noqa: S603  our own program
        command, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    found = json.loads(printed.splitlines()[-1])
    return [*dict.fromkeys(map(_filled, found)), *_FILES]


def _filled(path: str) -> str:
    for place, text in _OPEN_PLACES.items():
        path = path.replace(place, text)
    return path


def _main() -> None:
    import streamlit as st
    from streamlit import config
    from streamlit.web.server.starlette.starlette_app import create_streamlit_routes

    config.get_option("server.enableStaticServing")
    config.set_option("server.enableStaticServing", True)
    config.set_option("server.scriptHealthCheckEnabled", True)
    runtime = st.App("pages/shell.py")._create_runtime()
    paths = [getattr(route, "path", "") for route in create_streamlit_routes(runtime)]
    sys.stdout.write(json.dumps([path for path in paths if path]) + "\n")


if __name__ == "__main__":
    _main()
