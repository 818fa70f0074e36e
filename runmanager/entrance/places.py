"""Paths below the base path: what is where, and where one may be sent after signing in."""

from __future__ import annotations

from enum import Enum, auto
from urllib.parse import quote, unquote

MAX_NEXT = 4000
_STREAM = "/_stcore/stream"
_HEALTH = "/_stcore/health"
_FAVICONS = {"/favicon.png", "/favicon.ico"}
# Of Streamlit's other addresses the dashboard needs these; what takes files or serves programs
# (upload_file, agent, metrics, script-health-check, components, sign-in of its own) it does not.
_FRONT_END = {"/_stcore/host-config", "/manifest.json"}
_NOT_PAGES = ("_stcore", "component", "auth", "oauth2callback", "app")


class Place(Enum):
    """Who may come where, and who answers there."""

    API = auto()
    HEALTH = auto()
    FAVICON = auto()
    SIGN_IN = auto()
    OPENID = auto()
    OPENID_BACK = auto()
    OPENID_ENDED = auto()
    SIGN_OUT = auto()
    STREAM = auto()
    STATIC = auto()
    FRONT_END = auto()
    MEDIA = auto()
    PAGE = auto()
    NOWHERE = auto()


OPENID_PLACES = frozenset({Place.OPENID, Place.OPENID_BACK, Place.OPENID_ENDED})
_OURS = {
    "/sign-in": Place.SIGN_IN,
    "/sign-in/openid": Place.OPENID,
    "/sign-in/openid/back": Place.OPENID_BACK,
    "/sign-out/openid": Place.OPENID_ENDED,
    "/sign-out": Place.SIGN_OUT,
    _STREAM: Place.STREAM,
    _HEALTH: Place.HEALTH,
}


def place_of(path: str | None, api_prefix: str) -> Place:
    """What stands at a path; NOWHERE outside the base path and where nobody has business.

    Below ``api_prefix`` the API answers, which has tokens of its own.
    """
    if path is None:
        return Place.NOWHERE
    if path == api_prefix or path.startswith(f"{api_prefix}/"):
        return Place.API
    if path in _OURS:
        return _OURS[path]
    if path in _FAVICONS:
        return Place.FAVICON
    if path in _FRONT_END:
        return Place.FRONT_END
    first, _slash, rest = path[1:].partition("/")
    if first == "static":
        return Place.STATIC
    if first == "media":
        return Place.MEDIA
    if first in _NOT_PAGES or "_stcore" in rest.split("/"):
        return Place.NOWHERE
    return Place.PAGE


def after_sign_in(wanted: str, base: str, api_prefix: str) -> str:
    """Where to go after signing in: ``wanted`` where it is a page of ours, else the first page.

    A browser takes ``//host`` and ``/\\host`` for another host, drops control characters, and leads
    out of a folder by ``..``, also where its dots are encoded.
    """
    first = f"{base}/"
    is_ours = (
        wanted.startswith(first)
        and not wanted.startswith(("//", f"{first}/"))
        and "\\" not in wanted
        and wanted.isascii()
        and wanted.isprintable()
        and " " not in wanted
        and len(wanted) <= MAX_NEXT
    )
    path = unquote(wanted[len(base) :].partition("?")[0].partition("#")[0])
    is_whole = not {".", ".."} & set(path.split("/"))
    return wanted if is_ours and is_whole and place_of(path, api_prefix) is Place.PAGE else first


def address_of(path: str, query: str) -> str:
    """A decoded path and its query, as an address on this host."""
    quoted = quote(path.encode(errors="surrogatepass"), safe="/:@!$&'()*+,;=~")
    return f"{quoted}?{query}" if query else quoted
