"""The sign-in page: plain HTML without a script, in the dashboard's look.

Everything is in the one answer, so that an anonymous visitor needs no other file of ours.
"""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.responses import HTMLResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# No script, no other host, no frame; the style is the page's own.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
MAX_FIELD = 1000
_STYLE = """
:root { color-scheme: light dark; --back: #ffffff; --text: #1b2430; --quiet: #566173;
  --line: #c9d0db; --field: #ffffff; --button: #2f5fd0; --hover: #264fb0; --note: #f4f6f9;
  --bad: #a32020; --bad-back: #fdecec; --bad-line: #f1b8b8; }
@media (prefers-color-scheme: dark) { :root { --back: #12161c; --text: #e4e8ee; --quiet: #a3adbb;
  --line: #3a4452; --field: #1b212a; --button: #3d66d6; --hover: #4f78e6; --note: #1b212a;
  --bad: #ffb4b4; --bad-back: #3a1c20; --bad-line: #6e3238; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text);
  font: 16px/1.5 "Source Sans Pro", "Source Sans 3", system-ui, -apple-system, "Segoe UI", Roboto,
    "Helvetica Neue", Arial, sans-serif; }
main { width: 100%; max-width: 25rem; margin: 0 auto; padding: 12vh 1rem 2rem; }
header { display: flex; align-items: center; gap: .65rem; }
header img { width: 2rem; height: 2rem; }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.2; font-weight: 650; }
p { margin: .6rem 0 0; }
.quiet { color: var(--quiet); }
form, .box { margin-top: 1.25rem; padding: 1.25rem; border: 1px solid var(--line);
  border-radius: 6px; }
label { display: block; font-size: .9rem; margin-bottom: .25rem; }
label:not(:first-of-type) { margin-top: .9rem; }
input { width: 100%; font: inherit; color: inherit; background: var(--field); padding: .5rem .65rem;
  border: 1px solid var(--line); border-radius: 6px; }
button, .button { display: block; width: 100%; margin-top: 1.25rem; padding: .55rem 1rem;
  font: inherit; font-weight: 600; text-align: center; text-decoration: none; color: #ffffff;
  background: var(--button); border: 1px solid transparent; border-radius: 6px; cursor: pointer; }
button:hover, .button:hover { background: var(--hover); }
input:focus-visible, button:focus-visible, .button:focus-visible {
  outline: 3px solid color-mix(in srgb, var(--button) 45%, transparent); outline-offset: 1px; }
.bad { margin-top: 1.25rem; padding: .75rem 1rem; color: var(--bad); background: var(--bad-back);
  border: 1px solid var(--bad-line); border-radius: 6px; }
.box { background: var(--note); border-color: transparent; }
.box p { margin: 0; }
code { display: block; margin-top: .4rem; font: .95rem ui-monospace, SFMono-Regular, Menlo,
  Consolas, monospace; }
"""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title} · Run Manager</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><link rel="icon" href="data:image/svg+xml;base64,{icon}">
<style>{style}</style></head><body><main>
<header><img src="data:image/svg+xml;base64,{icon}" alt=""><h1>Run Manager</h1></header>
{body}</main></body></html>
"""
_BY_PROXY = "The proxy in front of Run Manager signs you in: come by its address."
_NO_WAY_IN = "Nobody can sign in here yet: Run Manager's log says what to set."
_FORM = """<form method="post" action="{base}/sign-in">
<input type="hidden" name="next" value="{next}">
<label for="username">Name</label>
<input id="username" name="username" value="{name}" autocomplete="username" autocapitalize="none"
 spellcheck="false" required maxlength="{longest}"{focus_name}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required
 maxlength="{longest}"{focus_password}>
<button type="submit">Sign in</button></form>
"""


@dataclass(frozen=True)
class SignInPage:
    """What the sign-in page of this process offers.

    ``icon`` is an SVG picture, ``demo`` the name and password to show, if any, and ``provider`` the
    name of the identity provider. ``has_passwords`` is asked each time: without any there is no
    form, so that nobody types one in vain.
    """

    base: str
    icon: bytes
    demo: tuple[str, str] | None = field(repr=False)
    provider: str | None
    has_proxy: bool
    has_passwords: Callable[[], bool]

    def form(
        self,
        next_path: str,
        *,
        problem: str = "",
        name: str = "",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """The page with the ways in, and above them what went wrong, if anything did."""
        body = [
            '<p class="quiet">Find, review and delete workflow runs. For administrators.</p>',
            f'<p class="bad" role="alert">{_text(problem)}</p>' if problem else "",
            self._provider(next_path),
            self._password(next_path, name) if self.has_passwords() else self._without_password(),
            self._demo(),
        ]
        return self._page("Sign in", "\n".join(body), status, headers)

    def message(
        self, heading: str, words: str, status: int, headers: Mapping[str, str] | None = None
    ) -> HTMLResponse:
        """A page that says something, with a way back to the first page."""
        body = (
            f'<div class="box"><p><strong>{_text(heading)}</strong></p><p>{_text(words)}</p></div>'
            f'<a class="button" href="{_text(self.base)}/">Go to Run Manager</a>'
        )
        return self._page(heading, body, status, headers)

    @cached_property
    def _icon(self) -> str:
        return base64.b64encode(self.icon).decode()

    def _provider(self, next_path: str) -> str:
        if self.provider is None:
            return ""
        address = f"{self.base}/sign-in/openid?{urlencode({'next': next_path})}"
        return (
            f'<div class="provider"><a class="button" href="{_text(address)}">'
            f"Sign in with {_text(self.provider)}</a></div>"
        )

    def _password(self, next_path: str, name: str) -> str:
        return _FORM.format(
            base=_text(self.base),
            next=_text(next_path),
            name=_text(name),
            longest=MAX_FIELD,
            focus_name="" if name else " autofocus",
            focus_password=" autofocus" if name else "",
        )

    def _without_password(self) -> str:
        if self.provider is not None:
            return ""
        words = _BY_PROXY if self.has_proxy else _NO_WAY_IN
        return f'<div class="box"><p>{_text(words)}</p></div>'

    def _demo(self) -> str:
        if self.demo is None:
            return ""
        name, password = map(_text, self.demo)
        return (
            '<div class="box"><p><strong>This is the demo.</strong> Its data is made up; sign in '
            f"with</p><code>{name}</code><code>{password}</code></div>"
        )

    def _page(
        self, title: str, body: str, status: int, headers: Mapping[str, str] | None
    ) -> HTMLResponse:
        page = _PAGE.format(title=_text(title), icon=self._icon, style=_STYLE, body=body)
        own = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Cache-Control": "no-store"}
        return HTMLResponse(page, status, headers=own | dict(headers or {}))


def _text(text: str) -> str:
    return html.escape(text, quote=True)
