"""The process speaks with nobody outside this machine, whatever it is sent.

    python -m tests.security.outside

Every connection of the process to another host, and every look-up of one's name, is written down
and refused, by a hook that Python calls before it happens. Then everything is done that an admin,
a script or a stranger can do: all pages, the API, a deletion, sign-in and sign-out, and handshakes
and requests of every foreign Origin, Host and forwarded address. Nothing may have been written.
"""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from runmanager.api.application import PREFIX
from tests.processes import ROOT, environment
from tests.security.report import Report, leave
from tests.security.target import own_target
from tests.security.wire import ask, handshake

if TYPE_CHECKING:
    from pathlib import Path

    from tests.security.target import Instance, Target

STREAM = "/_stcore/stream"
_RECORDER = """
import sys

_LOOPBACK = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::", "", None}


def _name(host):
    return host.decode("latin-1") if isinstance(host, bytes) else host


def _watch(event, values):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = values[1]
        if not isinstance(address, tuple):
            return
        host = _name(address[0])
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        host = _name(values[0])
    else:
        return
    if host in _LOOPBACK or str(host).startswith("127."):
        return
    with open(FILE, "a", encoding="utf-8") as written:
        written.write(f"{event} {host}\\n")
    raise OSError("no other host may be spoken with")


sys.addaudithook(_watch)
"""
_PATHS = ("/", "/sign-in", f"{PREFIX}/runs", "/_stcore/host-config", "/_stcore/health", "/media/x")
FOREIGN = (
    "http://evil.example", "https://evil.example:8443", "http://169.254.169.254", "null", "file://",
    "http://[2001:db8::1]", "http://198.51.100.7", "chrome-extension://abcdef",
    "http://localhost:3000", "//evil.example", "http://user:pass@evil.example",
    "http://evil.example/%00", "x" * 3000,
)  # fmt: skip


class Recorder:
    """Where what a process asks of other hosts is written down."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._file = folder / "asked"
        source = _RECORDER.replace("FILE", repr(str(self._file)))
        (folder / "sitecustomize.py").write_text(source, encoding="utf-8")

    @property
    def settings(self) -> dict[str, str]:
        """What a process is told so that it is watched."""
        return {"PYTHONPATH": str(self._folder)}

    @property
    def asked(self) -> list[str]:
        """What was asked, and refused."""
        return self._file.read_text().splitlines() if self._file.exists() else []

    def is_watching(self) -> bool:
        """Whether it sees a process that does speak with others; nothing is sent."""
        program = (
            "import socket\n"
            "try: socket.create_connection(('192.0.2.1', 9), 1)\n"
            "except OSError: pass\n"
        )
        command = [sys.executable, "-c", program]
        subprocess.run(  # noqa: S603  our own program
            command, env=environment(9, self.settings), cwd=ROOT, check=True
        )
        found = len(self.asked)
        self._file.unlink(missing_ok=True)
        return found > 0


def act_as_admin(target: Target, instance: Instance, report: Report) -> None:
    """All pages, the API, a deletion, and both doors."""
    run_id = target.host.add_run(name="to be deleted")
    cookie = instance.sign_in("ada")
    token = instance.token("ada")
    queries = ("", "page=2", "search=talks", "user=x", f"id={target.run_id}", "id=nobody", "x=%00")
    for path, query in product(("/", "/run", "/nowhere"), queries):
        report.count("pages")
        instance.get(f"{path}?{query}", cookie)
    for file in ("/_stcore/host-config", "/manifest.json", "/favicon.png", "/static/js/x.js"):
        report.count("files")
        instance.get(file, cookie)
    for query in queries:
        with instance.opened(cookie, query) as tab:
            report.count("page runs")
            for page in (tab.page_hash, ""):
                tab.page_hash = page
                tab.rerun(query_string=query, page_name="run")
                tab.settle(patience=3)
    query = urlencode({"search": "to be deleted"})
    with instance.opened(cookie, query) as tab:
        for key in ("select_page", "delete_selected", "confirm_deletion"):
            tab.press(key, query)
            tab.settle()
        report.count("deletions")
    report.require(target.host.is_gone(run_id), "the deletion did not happen")
    run = f"/runs/{target.run_id}"
    for path in ("/runs", "/statuses", "/histogram", "/usernames", "/workspaces", "/filters",
                 "/openapi.json", "/health", run, f"{run}/logs", f"{run}/checkpoints",
                 f"{run}/blobs", "/nowhere"):  # fmt: skip
        report.count("API calls")
        instance.api(path, token)
    instance.sign_out(cookie, everywhere=True)


def act_from_outside(target: Target, instance: Instance, report: Report) -> None:
    """Requests and handshakes that name other hosts wherever one can be named."""
    cookie = instance.sign_in("ada")
    for origin, signed_in in product(FOREIGN, (cookie, "")):
        for more in ({}, {"Host": "evil.example"}, {"X-Forwarded-Host": "evil.example"}):
            said = {"Origin": origin, "Referer": origin, "Cookie": signed_in} | more
            host = {"Host": f"localhost:{instance.port}"} | said
            report.count("foreign handshakes")
            ask(instance.port, handshake(STREAM, host, "streamlit", "x"), 5)
            for method, path in product(("GET", "POST", "OPTIONS"), _PATHS):
                report.count("foreign requests")
                instance.ask(method, path, said, seconds=5)
    for path in ("http://evil.example/", "//evil.example/", "/sign-in?next=//evil.example"):
        report.count("foreign requests")
        instance.ask("GET", path, {"Cookie": cookie}, seconds=5)
    with instance.opened(cookie) as tab:
        for url in FOREIGN:
            report.count("foreign addresses in a tab's messages")
            tab.rerun(query_string=f"id={url[:100]}")
            tab.settle(patience=3)


def attack(target: Target, report: Report) -> None:
    """A watched process, from its start to its end."""
    recorder = Recorder(target.folder / "recorder")
    report.require(recorder.is_watching(), "the recorder does not see")
    instance = target.serve(**recorder.settings)
    act_as_admin(target, instance, report)
    act_from_outside(target, instance, report)
    target.stop(instance)
    for asked in recorder.asked:
        report.broke(asked)


def main() -> None:
    """Act, print, and exit 1 where another host was asked for anything."""
    report = Report("outside")
    with own_target() as target:
        attack(target, report)
    leave(report)


if __name__ == "__main__":
    main()
