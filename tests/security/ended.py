"""What an admin can still do whose sign-in has just ended: nothing, in any way, anywhere.

    python -m tests.security.ended

Six ways in which a sign-in ends, by thirteen ways to go on: the same tab, another one, another
instance, a resumed session, a token, after a restart. Each is known to work before. What is tried
is sent within some 50 ms of the change (how many is printed), and once more 3 s later: no script
may run for it, no message may hold a run's data, nothing may be deleted, and every open tab is
closed within those 3 s and sent to the sign-in page.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from websockets.exceptions import InvalidStatus

from tests.hosts import PASSWORD
from tests.passwords import set_password
from tests.security.report import Report, leave
from tests.security.target import own_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.target import Instance, Target
    from tests.sockets import Socket

CLOSED_SECONDS = 3.0
# For an admin there is no such file; anybody else is not told even that.
MEDIA = "/media/0123456789abcdef0123456789abcdef.csv"
PASSWORD_CHANGED = "another horse"


@dataclass
class Tab:
    """An open tab that tries one thing; what it had received before the change is not looked at."""

    way: str
    socket: Socket
    act: Callable[[Socket], None]
    received: int = 0
    runs: int = 0

    def begin(self) -> None:
        """From here on nothing may come."""
        self.socket.read(0.05)
        self.received, self.runs = len(self.socket.messages), self.socket.runs

    def what_came(self, target: Target) -> list[str]:
        """What is wrong with what has come since."""
        came = self.socket.messages[self.received :]
        said = "\n".join(map(str, came)).encode()
        wrong = []
        if self.socket.runs > self.runs:
            wrong.append("a script ran")
        if any(word in said for word in target.private):
            wrong.append("run data")
        if not self.socket.is_closed:
            wrong.append("its socket is open")
        if not any(one.WhichOneof("type") == "auth_redirect" for one in came):
            wrong.append("not sent to the sign-in page")
        return wrong


@dataclass
class Admin:
    """One admin at work in every way there is, who is about to be signed out."""

    target: Target
    here: Instance
    there: Instance
    name: str
    query: str = ""
    run_id: str = ""
    cookie: str = ""
    other_cookie: str = ""
    token: str = ""
    session_id: str = ""
    tabs: list[Tab] = field(default_factory=list)

    def sign_in(self) -> None:
        """Sign in, twice, and have everything open; each way is seen to work."""
        self.target.add_admin(self.name)
        run_name = f"Merger talks {self.target.mark} of {self.name}"
        self.run_id = self.target.host.add_run(name=run_name, user=f"boss {self.target.mark}")
        self.query = urlencode({"search": run_name})
        self.cookie, self.other_cookie = self.here.sign_in(self.name), self.here.sign_in(self.name)
        self.token = self.here.token(self.name)
        self._open_tabs()
        with self.here.opened(self.cookie) as left:
            self.session_id = left.session_id
        with self.here.socket(self.cookie, self.session_id) as resumed:
            resumed.rerun()
            resumed.settle()
            assert resumed.session_id == self.session_id, "a session can be resumed by its owner"
        for instance in (self.here, self.there):
            worked = [one for one in self._requests(instance) if one[1]()]
            assert len(worked) == 3, "pages, files and API answer an admin"

    def _open_tabs(self) -> None:
        refresh, whole = "refresh", self.query
        self._tab("callback", self.here, lambda one: one.press("select_page", whole))
        self._tab("full run", self.here, lambda one: one.rerun(query_string=whole))
        self._tab("other tab", self.here, lambda one: one.press(refresh, whole))
        self._tab("other instance", self.there, lambda one: one.rerun(query_string=whole))
        self._tab("idle tab", self.here, lambda _one: None)
        self._tab(
            "fragment",
            self.here,
            lambda one: one.rerun(
                fragment_id=one.fragment_of(one.widget_id(refresh)), query_string=whole
            ),
        )
        dialog = self._tab("confirm", self.here, lambda one: one.press("confirm_deletion", whole))
        for key in ("select_page", "delete_selected"):
            dialog.press(key, whole)
            dialog.settle()
        assert dialog.widget_id("confirm_deletion"), "the dialog is open"

    def _tab(self, way: str, instance: Instance, act: Callable[[Socket], None]) -> Socket:
        socket = instance.opened(self.cookie, self.query)
        assert self.target.mark in socket.said, "an admin sees the runs"
        self.tabs.append(Tab(way, socket, act))
        return socket

    def _requests(self, instance: Instance) -> list[tuple[str, Callable[[], bool]]]:
        """By way, a request, and whether it got what only an admin gets."""
        return [
            ("page", lambda: b'type="password"' not in instance.get("/", self.cookie).body),
            ("media", lambda: instance.get(MEDIA, self.cookie).status != 401),
            ("API token", lambda: instance.api("/runs", self.token).status != 401),
        ]

    def _connects(self, instance: Instance, session_id: str | None = None) -> bool:
        """Whether a socket can be opened."""
        try:
            with instance.socket(self.cookie, session_id) as socket:
                socket.rerun(query_string=self.query)
                socket.read(1)
                return True
        except InvalidStatus:
            return False

    def other_ways(
        self, instance: Instance, where: str = ""
    ) -> list[tuple[str, Callable[[], bool]]]:
        """By way, what is tried by requests and new sockets; whether it succeeded."""
        return [
            *((f"{way}{where}", act) for way, act in self._requests(instance)),
            (f"new socket{where}", lambda: self._connects(instance)),
            (f"resumed session{where}", lambda: self._connects(instance, self.session_id)),
        ]


def _demote(admin: Admin) -> None:
    admin.target.host.execute("UPDATE users SET is_admin = false WHERE username = %s", admin.name)


def _deactivate(admin: Admin) -> None:
    admin.target.host.execute("UPDATE users SET is_active = false WHERE username = %s", admin.name)


def _change_password(admin: Admin) -> None:
    set_password(admin.target.host, admin.name, PASSWORD_CHANGED)


def _remove(admin: Admin) -> None:
    admin.target.host.execute("DELETE FROM users WHERE username = %s", admin.name)


def _sign_out(admin: Admin) -> None:
    admin.here.sign_out(admin.cookie)


def _sign_out_everywhere(admin: Admin) -> None:
    admin.here.sign_out(admin.other_cookie, everywhere=True)


CHANGES: dict[str, Callable[[Admin], None]] = {
    "demotion": _demote,
    "deactivation": _deactivate,
    "password change": _change_password,
    "deletion": _remove,
    "sign-out": _sign_out,
    "sign-out everywhere": _sign_out_everywhere,
}


def attack(target: Target, here: Instance, there: Instance, change: str, report: Report) -> Admin:
    """End one admin's sign-in, and let them go on in every way at once, and 3 s later."""
    admin = Admin(target, here, there, name=f"admin-{change.replace(' ', '-')}")
    admin.sign_in()
    for tab in admin.tabs:
        tab.begin()
    ways = [*admin.other_ways(here), *admin.other_ways(there, " there")]
    with ThreadPoolExecutor(len(ways)) as pool:
        # What an instance may remember of a sign-in, it remembers now.
        for instance in (here, there):
            assert instance.get(MEDIA, admin.cookie).status == 404
        CHANGES[change](admin)
        changed = time.monotonic()
        for tab in admin.tabs:
            tab.act(tab.socket)
        tried = {way: pool.submit(act) for way, act in ways}
        launched = time.monotonic() - changed
        for tab in admin.tabs:
            tab.socket.read(changed + CLOSED_SECONDS - time.monotonic())
        for way, outcome in tried.items():
            report.count("at once")
            report.require(not outcome.result(), f"{change}, at once: {way}")
    report.note(f"after {change}: all was sent within {1000 * launched:.0f} ms")
    time.sleep(max(0.0, changed + CLOSED_SECONDS - time.monotonic()))
    for tab in admin.tabs:
        report.count("at once, in an open tab")
        for wrong in tab.what_came(target):
            report.broke(f"{change}, at once: {tab.way}: {wrong}")
    _try_later(admin, ways, change, report)
    return admin


def _try_later(
    admin: Admin, ways: list[tuple[str, Callable[[], bool]]], change: str, report: Report
) -> None:
    for tab in admin.tabs:
        tab.act(tab.socket)
        tab.socket.read(0.2)
        report.count("after 3 s, in an open tab")
        for wrong in tab.what_came(admin.target):
            report.broke(f"{change}, after 3 s: {tab.way}: {wrong}")
        tab.socket.close()
    for way, act in ways:
        report.count("after 3 s")
        report.require(not act(), f"{change}, after 3 s: {way}")
    is_there = admin.target.host.counts(admin.run_id)["run_metadata"] == 1
    report.require(is_there, f"{change}: the run was deleted")


def attack_after_restart(admins: dict[str, Admin], instance: Instance, report: Report) -> None:
    """Every sign-in that has ended, at a process that was started afterwards."""
    for change, admin in admins.items():
        for way, act in admin.other_ways(instance, " after a restart"):
            report.count("after a restart")
            report.require(not act(), f"{change}: {way}")


def main() -> None:
    """Attack, print, and exit 1 where anything succeeded."""
    report = Report("ended")
    with own_target() as target:
        here, there = target.serve(), target.serve()
        admins = {change: attack(target, here, there, change, report) for change in CHANGES}
        # Who has only changed their password, or signed out, may come back.
        here.sign_in("admin-password-change", PASSWORD_CHANGED)
        here.sign_in("admin-sign-out", PASSWORD)
        target.stop(here)
        attack_after_restart(admins, target.serve(), report)
        report.require("Traceback" not in target.logs, "a traceback in the log")
    report.require(report.total >= 60, "fewer than 60 were tried")
    leave(report)


if __name__ == "__main__":
    main()
