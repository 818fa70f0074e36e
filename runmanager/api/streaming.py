"""Answers too long for memory: piece by piece, and still an error where they cannot begin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, islice

from fastapi.responses import StreamingResponse


def streamed(
    pieces: Iterator[bytes] | Iterator[str],
    media_type: str,
    headers: Mapping[str, str] | None = None,
) -> StreamingResponse:
    """The answer that sends ``pieces`` one after the other.

    The first is made before anything is sent: what cannot be read is then an error like any other.
    """
    whole: Iterator[bytes | str] = chain(list(islice(pieces, 1)), pieces)
    return StreamingResponse(whole, media_type=media_type, headers=dict(headers or {}))


def prefers_html(accept: str) -> bool:
    """Whether the header Accept asks for HTML, and for JSON less or not at all."""
    weights = {}
    for part in accept.split(","):
        name, *parameters = (one.strip().lower() for one in part.split(";"))
        weights[name] = _weight(parameters)
    return weights.get("text/html", 0.0) > weights.get("application/json", 0.0)


def _weight(parameters: list[str]) -> float:
    for one in parameters:
        name, _equals, value = one.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
