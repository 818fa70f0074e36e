"""Ids in a path, whatever stands in them: a slash that was sent as %2F is part of the id."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from starlette.convertors import Convertor, register_url_convertor

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

# A lone surrogate, which percent-encoding cannot make: it stands for %2F until the route is found.
_SLASH = "\udc2f"
_ENCODED_SLASH = re.compile("%2f", re.IGNORECASE)


class RunIdConvertor(Convertor[str]):
    """The rest of a path, as an id: line breaks and plain slashes included."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        """The id as the host wrote it."""
        return value.replace(_SLASH, "/")

    def to_string(self, value: str) -> str:
        """The id as it stands in a path."""
        return value


class IdConvertor(RunIdConvertor):
    """One step of a path, as an id."""

    regex = "[^/]+"


def register_convertors() -> None:
    """Let paths be written with ``{…:run_id}`` and ``{…:id}``."""
    register_url_convertor("run_id", RunIdConvertor())
    register_url_convertor("id", IdConvertor())


class EncodedSlashes:
    """Keeps ``/runs/a%2Flogs``, the run "a/logs", apart from ``/runs/a/logs``, the log of "a"."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, its encoded slashes marked."""
        raw = scope.get("raw_path") or b""
        if scope["type"] == "http" and b"%2f" in raw.lower():
            text = raw.decode("latin-1")
            # Only where nothing before us has rewritten the path.
            if unquote(text) == scope["path"]:
                scope = {**scope, "path": unquote(_ENCODED_SLASH.sub(_SLASH, text))}
        await self._app(scope, receive, send)
