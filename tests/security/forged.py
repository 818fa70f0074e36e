"""Forged cookies and tokens: none lets anybody in, and none writes a traceback.

    python -m tests.security.forged

Cookies go to a page, to a file and to the socket; tokens to the API; and each to the other's door.
Some are signed with the very key, as if it had leaked: what they say is believed only where store
and database agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import jwt

from runmanager.fingerprints import derived_key
from tests.processes import COOKIE_KEY
from tests.security.forgeries import Genuine, with_other_keys, with_the_key, without_key
from tests.security.report import Report, leave
from tests.security.target import JWT_SECRET, own_target
from tests.security.wire import ask, handshake

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.security.target import Instance, Target

STREAM = "/_stcore/stream"
NAMES = ("runmanager", "__Secure-runmanager", "runmanager_session", "runmanager-device")
_TICKET = "run_manager_ticket"
_KEY_OF_COOKIES = "session cookie"


@dataclass
class Forger:
    """Sends what was forged, and counts what got through."""

    target: Target
    instance: Instance
    report: Report

    def sends_cookies(
        self, kind: str, values: Iterable[str], names: tuple[str, ...] = NAMES
    ) -> None:
        """Each value under each name, to a page, a file and the socket."""
        for value in values:
            self.report.count(f"cookies {kind}")
            cookie = "; ".join(f"{name}={value}" for name in names)
            self._cookie(kind, cookie)

    def _cookie(self, kind: str, cookie: str) -> None:
        headers = {"Cookie": cookie}
        page = self.instance.ask("GET", "/", headers)
        file = self.instance.ask("GET", "/_stcore/host-config", headers)
        own = headers | {"Host": f"localhost:{self.instance.port}", "Origin": self.instance.url}
        socket = ask(self.instance.port, handshake(STREAM, own, "streamlit"))
        let_in = (
            b'type="password"' not in page.body and page.status != 400,
            file.status == 200,
            socket.status == 101,
        )
        if any(let_in):
            self.report.broke(f"{kind}: page, file, socket {let_in}: {cookie[:200]!r}")

    def sends_tokens(self, kind: str, values: Iterable[str]) -> None:
        """Each to the API, in the header where it belongs and in those where it does not."""
        for value in values:
            self.report.count(f"tokens {kind}")
            answer = self.instance.api("/runs", value)
            # 400 is the web server's, for what is no header.
            if answer.status not in {400, 401, 403} or self.target.mark.encode() in answer.raw:
                self.report.broke(f"{kind}: {answer.status} {value[:200]!r}")


def attack(target: Target, instance: Instance, report: Report, *, step: int = 1) -> None:
    """Every forgery there is, or each ``step``-th."""
    forger = Forger(target, instance, report)
    name = "ada"
    cookie = instance.sign_in(name)
    value = next(one for one in cookie.split("; ") if one.startswith("runmanager=")).split("=", 1)[
        1
    ]
    other = Genuine(instance.token(name), JWT_SECRET.encode(), (COOKIE_KEY.encode(),))
    cookie_key, other_key = (
        derived_key(one, _KEY_OF_COOKIES).encode() for one in (COOKIE_KEY, JWT_SECRET)
    )
    genuine = Genuine(value, cookie_key, (COOKIE_KEY.encode(), JWT_SECRET.encode(), other_key))
    stranger = target.host.add_user("nobody of importance")
    whose = {"sid": "A" * 32, "uid": stranger, "pw": "0" * 64}
    forger.sends_cookies("without a key", list(without_key(genuine))[::step])
    forger.sends_cookies("by other keys", list(with_other_keys(genuine))[::step])
    forger.sends_cookies("by the very key", list(with_the_key(genuine, whose))[::step])
    forger.sends_cookies("that are API tokens", [other.token])
    forger.sends_cookies("of other names", [value], tuple(one for one in NAMES[2:]))
    named = {_TICKET: "A" * 32}
    forger.sends_tokens("without a key", list(without_key(other))[::step])
    forger.sends_tokens("by other keys", list(with_other_keys(other))[::step])
    # Without a ticket it is one of the host's, which has the same secret: that one is good.
    ours = [one for one in with_the_key(other, named) if _has_ticket(one)]
    forger.sends_tokens("by the very key", ours[::step])
    forger.sends_tokens("that are cookies", [value, cookie, genuine.token])
    report.require(instance.api("/runs", other.token).status == 200, "the genuine token is refused")
    report.require(
        b'type="password"' not in instance.get("/", cookie).body, "the genuine cookie is refused"
    )
    report.require("Traceback" not in instance.app.said, "a traceback in the log")


def _has_ticket(token: str) -> bool:
    """Whether it is one of ours; what is no token at all is nobody's, and is sent too."""
    try:
        return _TICKET in Genuine(token, b"", ()).claims
    except jwt.PyJWTError:
        return True


def main() -> None:
    """Attack, print, and exit 1 where anything was accepted."""
    report = Report("forged")
    with own_target() as target:
        attack(target, target.serve(), report)
    report.require(report.total >= 100, "fewer than 100 were tried")
    leave(report)


if __name__ == "__main__":
    main()
