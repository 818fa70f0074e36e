"""Floods of strangers leave an admin's page answering, and no connection is left open by them.

How fast it answers is measured by ``python -m tests.security.floods``, never asserted here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.polling import wait_until
from tests.security.floods import flooded, open_files
from tests.security.wire import ask, handshake

if TYPE_CHECKING:
    from tests.security.target import Instance, Target

pytestmark = pytest.mark.xdist_group("security")


@pytest.mark.parametrize("kind", ["300 sockets", "unreadable handshakes"])
def test_an_admins_page_is_served_during_a_flood(
    target: Target, instance: Instance, kind: str
) -> None:
    with instance.opened(instance.sign_in("ada")) as tab:
        before = open_files(instance)
        took, _did = flooded(tab, instance, kind, 1.0)
        assert took
        assert target.mark in tab.said
        wait_until(lambda: open_files(instance) <= before + 20)


def test_a_handshake_that_cannot_be_read_is_closed(instance: Instance) -> None:
    headers = {"Host": "localhost", "Cookie": "x" * 9000}
    answer = ask(instance.port, handshake("/_stcore/stream", headers, "streamlit"), seconds=5)
    assert answer.status == 400
