"""A browser without a screen: it keeps cookies by host and port, and goes where it is sent."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import httpx2

if TYPE_CHECKING:
    from types import TracebackType

COOKIE = "runmanager"


class Visitor:
    """One browser at the Run Manager at ``url``; at a provider it signs in as ``account``."""

    def __init__(self, url: str, account: str | None = None) -> None:
        self.url = url
        self.client = httpx2.Client(timeout=30, trust_env=False)
        if account is not None:
            self.client.cookies.set("account", account, domain="127.0.0.1")

    def __enter__(self) -> Visitor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.client.close()

    def get(self, address: str, **how: Any) -> httpx2.Response:
        """One answer, wherever it sends to."""
        return self.client.get(urljoin(self.url, address), **how)

    def get_with(self, address: str, cookies: dict[str, str]) -> httpx2.Response:
        """The answer to somebody who has these cookies, wherever from."""
        written = "; ".join(f"{name}={value}" for name, value in cookies.items())
        return self.get(address, headers={"Cookie": written})

    def post(self, address: str, fields: dict[str, str] | None = None) -> httpx2.Response:
        """The answer to a form of Run Manager's own page."""
        return self.client.post(
            urljoin(self.url, address), data=fields or {}, headers={"Origin": self.url}
        )

    def to_the_door(self, address: str = "/sign-in/openid") -> str:
        """Go to the provider and come back as far as the address that it sends to."""
        answer = self.get(address)
        for _ in range(10):
            assert answer.is_redirect, answer.text
            onward = urljoin(str(answer.url), answer.headers["location"])
            if urlsplit(onward).path.endswith("/sign-in/openid/back"):
                return onward
            answer = self.client.get(onward)
        raise AssertionError("there is no end to it")

    def sign_in(self, address: str = "/sign-in/openid") -> httpx2.Response:
        """The answer at the end of the way to the provider and back."""
        return self.get(self.to_the_door(address))

    @property
    def is_in(self) -> bool:
        """Whether a page is shown, and not the way in."""
        answer = self.get("/")
        return answer.status_code == 200 and answer.headers["content-type"] == "application/json"

    @property
    def cookie(self) -> str | None:
        """The session cookie."""
        return self.client.cookies.get(COOKIE)

    @property
    def trips(self) -> dict[str, str]:
        """The cookies of the ways to the provider that have no end yet."""
        return {
            name: value
            for name, value in self.client.cookies.items()
            if name.startswith("runmanager-openid-")
        }


def problem(answer: httpx2.Response) -> str:
    """What the sign-in page says has gone wrong."""
    found = re.search(r'role="alert">(.*?)</p>', answer.text)
    assert found is not None, answer.text
    return html.unescape(found[1])
