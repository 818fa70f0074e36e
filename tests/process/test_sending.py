"""What the process sends is not held back."""

from __future__ import annotations

import socket

from app import send_at_once


def answers_leave_at_once(listener: socket.socket) -> bool:
    """Whether a connection that the listener accepts has Nagle's algorithm turned off."""
    with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
        return bool(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


def test_answers_leave_at_once_though_streamlit_bound_the_socket() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert not answers_leave_at_once(listener)
        send_at_once()
        assert answers_leave_at_once(listener)
