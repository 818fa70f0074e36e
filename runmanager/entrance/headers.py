"""The headers that every answer carries.

Streamlit sends none of them. What a response says itself is kept: the sign-in page's policy is
stricter than the dashboard's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.datastructures import MutableHeaders

# Streamlit's own page has one script inside it, and its grid runs WebAssembly; nothing else may
# run, nothing is loaded from or sent to another host, and nobody may frame the page. Its last words
# are where forms may lead.
DASHBOARD_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; worker-src 'self' blob:; frame-src 'self'; frame-ancestors 'none'; "
    "object-src 'none'; base-uri 'self'; form-action 'self'"
)
_YEAR = 365 * 24 * 3600
_ALWAYS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Robots-Tag": "noindex",
}


def add(
    headers: MutableHeaders, *, is_tls: bool, is_static: bool, signing_out: tuple[str, ...] = ()
) -> None:
    """Add what is missing. ``is_static`` files are Streamlit's own, and alone may be cached.

    ``signing_out`` are the origins to which the form that signs out may lead: a browser counts
    where the answer to a form sends it as an address of the form's.
    """
    for name, value in _ALWAYS.items():
        headers[name] = value
    headers.setdefault("Content-Security-Policy", " ".join([DASHBOARD_POLICY, *signing_out]))
    if not is_static:
        headers["Cache-Control"] = "no-store"
    if is_tls:
        headers["Strict-Transport-Security"] = f"max-age={_YEAR}"
    # Nothing of ours names the server or its version; and no other site may read an answer.
    for name in ("Access-Control-Allow-Origin", "X-Powered-By"):
        if name in headers:
            del headers[name]
