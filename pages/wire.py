"""The dashboard's socket, as far as the guard in front of it has to understand it.

What a browser may ask for is named here: runs of the page, a stop of one, and signs of life. The
rest (clearing caches, uploading files, debugging, installing) the dashboard does not need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from google.protobuf.message import DecodeError
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from runmanager.entrance.wire import Said

if TYPE_CHECKING:
    from streamlit.proto.ClientState_pb2 import ClientState

_RUN = "rerun_script"
_ALLOWED = {_RUN, "stop_script", "app_heartbeat"}


class StreamlitWire:
    """Streamlit's messages."""

    def read(self, message: bytes) -> Said | None:
        """What a browser's message says; None for one that is none."""
        found = BackMsg()
        try:
            found.ParseFromString(message)
        except DecodeError:
            return None
        kind = found.WhichOneof("type")
        if kind != _RUN:
            return Said(is_allowed=kind in _ALLOWED, is_run=False, is_timer=False)
        state = found.rerun_script
        return Said(is_allowed=True, is_run=True, is_timer=state.is_auto_rerun, place=_place(state))

    def go_to(self, address: str) -> bytes:
        """The message by which Streamlit's own sign-in sends a tab elsewhere."""
        message = ForwardMsg()
        message.auth_redirect.url = address
        found: bytes = message.SerializeToString()
        return found


def _place(state: ClientState) -> str | None:
    """The path and query of the address that the browser shows; None where it does not say."""
    try:
        found = urlsplit(state.context_info.url)
    except ValueError:
        return None
    if not found.path.startswith("/"):
        return None
    return f"{found.path}?{found.query}" if found.query else found.path
