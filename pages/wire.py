"""The dashboard's socket, as far as the guard in front of it has to understand it.

What a browser may ask for is named here: runs of the page, a stop of one, and signs of life. The
rest (clearing caches, uploading files, debugging, installing) the dashboard does not need.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from runmanager.entrance.wire import Said

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
        return Said(is_allowed=True, is_run=True, is_timer=found.rerun_script.is_auto_rerun)

    def of_whole_page(self, message: bytes) -> bytes:
        """The same, asking for a run of the whole page."""
        found = BackMsg.FromString(message)
        found.rerun_script.fragment_id = ""
        whole: bytes = found.SerializeToString()
        return whole

    def load_anew(self) -> bytes:
        """The message by which Streamlit's own sign-in sends a tab elsewhere, with no address.

        To a browser an empty address is the one it shows, filters included. The server knows these
        only as they were when the page was last asked for.
        """
        message = ForwardMsg()
        message.auth_redirect.url = ""
        found: bytes = message.SerializeToString()
        return found
