"""The stylesheet in Streamlit's page: in the whole page only, and nothing else is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from anyio.from_thread import start_blocking_portal

from runmanager.entrance.styled import styled
from tests.processes import ROOT

if TYPE_CHECKING:
    from starlette.types import Message


STYLES = b".calm { color: green }"
PAGE = b"<html><body><div id='root'></div></body></html>"


def answer(*chunks: bytes, status: int = 200, **headers: str) -> tuple[dict[str, str], bytes]:
    """What reaches the browser of an answer in these chunks: its headers, and its body."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def run() -> None:
        through = styled(send, STYLES)
        named = {"content-type": "text/html; charset=utf-8"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        raw = [(name.encode(), value.encode()) for name, value in named.items()]
        await through({"type": "http.response.start", "status": status, "headers": raw})
        for place, chunk in enumerate(chunks, 1):
            more = place < len(chunks)
            await through({"type": "http.response.body", "body": chunk, "more_body": more})

    # In a thread of its own: a browser's test leaves a loop running in this one.
    with start_blocking_portal() as portal:
        portal.call(run)
    start: Any = sent[0]
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    return found, b"".join(one["body"] for one in sent[1:])


@pytest.mark.parametrize("cut", [0, 10, len(PAGE) - 9, len(PAGE) - 4])
def test_a_page_ends_with_the_styles_in_however_many_chunks_it_comes(cut: int) -> None:
    headers, body = answer(PAGE[:cut], PAGE[cut:], content_length=str(len(PAGE)))
    assert body == PAGE.replace(b"</body>", b"<style>" + STYLES + b"</style></body>")
    assert headers["content-length"] == str(len(body))


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "application/javascript"},
        {"content_encoding": "gzip"},
        {"status": 206},
        {"status": 404},
    ],
)
def test_nothing_but_a_whole_page_is_touched(headers: dict[str, Any]) -> None:
    found, body = answer(PAGE, **{"content_length": str(len(PAGE))} | headers)
    assert body == PAGE
    assert found["content-length"] == str(len(PAGE))


def test_a_page_without_an_end_is_sent_as_it_is() -> None:
    headers, body = answer(b"<html>", content_length="6")
    assert body == b"<html>"
    assert headers["content-length"] == "6"


def test_the_stylesheet_has_no_end_of_its_own_element() -> None:
    assert b"</" not in (ROOT / "pages" / "stylesheet.css").read_bytes()
