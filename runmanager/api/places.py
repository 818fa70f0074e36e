"""A place in the list of runs, as a text that a caller sends back to read on from there."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

from runmanager.host.ids import storable
from runmanager.paging import RowKey

# The web server takes 16 kB of address and headers: what was given always fits, if its request did.
MAX_PLACE = 16_000
NO_PLACE = "It must be what “next” of an earlier answer holds."


def write_place(key: RowKey) -> str:
    """What ``read_place`` reads back; in letters that an address takes as they are."""
    text = json.dumps([key.time, key.thread_id], ensure_ascii=False, separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode("ascii").rstrip("=")


def read_place(text: str) -> RowKey | None:
    """The place that ``write_place`` has written so; None for any other text."""
    try:
        packed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        found = json.loads(packed)
    except (ValueError, RecursionError):
        return None
    match found:
        case [str() | None as time, str(thread_id)] if storable(f"{time}{thread_id}"):
            key = RowKey(time, thread_id)
            # Whatever decodes to the same by a looser reading is not what was given.
            return key if write_place(key) == text else None
    return None
