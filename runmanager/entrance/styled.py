"""The dashboard's page with a stylesheet of ours: it looks as it should before its first element.

Streamlit can only be told of styles while a script runs, when the page has been drawn without them
once, and all of it would jump.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from starlette.types import Message, Send

# At the end of the body: Streamlit's own styles stand in the head, and the later ones count.
_END = b"</body>"


def styled(send: Send, styles: bytes) -> Send:
    """``send``, with a stylesheet in the whole page that goes through it; anything else as it is.

    ``styles`` is CSS. It is for answers to GET: one to HEAD has no page.
    """
    page = _Page(send, b"<style>" + styles + b"</style>")
    return page.send


class _Page:
    """One answer, held back until all of it is there."""

    def __init__(self, send: Send, added: bytes) -> None:
        self._send = send
        self._added = added
        self._start: Message | None = None
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        """Take the next message of the answer."""
        if message["type"] == "http.response.start" and _is_page(message):
            self._start = message
        elif message["type"] == "http.response.body" and self._start is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._start)
        else:
            await self._send(message)

    async def _finish(self, start: Message) -> None:
        before, end, after = bytes(self._body).rpartition(_END)
        body = before + self._added + end + after if end else bytes(self._body)
        MutableHeaders(scope=start)["content-length"] = str(len(body))
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})


def _is_page(start: Message) -> bool:
    headers = MutableHeaders(scope=start)
    is_html = headers.get("content-type", "").startswith("text/html")
    return start["status"] == 200 and is_html and "content-encoding" not in headers  # noqa: PLR2004
