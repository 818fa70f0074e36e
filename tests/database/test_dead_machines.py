"""Machines that die without a word: both ends of a connection find out in about a minute.

Until then the server keeps the locks of a batch, and nobody can take its operation over.
"""

from __future__ import annotations

import os
import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from runmanager.database import Database
from runmanager.settings import Settings
from runmanager.store.postgres import PostgresStore
from tests.tcp import over_tcp

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_SECONDS = 60
_SERVER = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.URL]:
    with over_tcp(tmp_path_factory.mktemp("tcp")) as url:
        yield url


def server_waits(connection: sa.Connection) -> tuple[int, int]:
    """After how many seconds the server gives this connection up: quiet, and with data unanswered.

    As the server's kernel has it: it is asked what it was told.
    """
    idle, interval, times, sent = (
        int(
            connection.scalar(
                sa.text("SELECT setting FROM pg_settings WHERE name = :name"), {"name": name}
            )
            or 0
        )
        for name in (*_SERVER, "tcp_user_timeout")
    )
    return idle + interval * times, sent // 1000


def client_waits(connection: sa.Connection) -> tuple[int, int]:
    """The same of this process's kernel."""
    driver = connection.connection.dbapi_connection
    assert driver is not None
    with closing(socket.socket(fileno=os.dup(driver.fileno()))) as ours:
        idle, interval, times, sent = (
            ours.getsockopt(socket.IPPROTO_TCP, option)
            for option in (
                socket.TCP_KEEPIDLE,
                socket.TCP_KEEPINTVL,
                socket.TCP_KEEPCNT,
                socket.TCP_USER_TIMEOUT,
            )
        )
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    return idle + interval * times, sent // 1000


def test_a_transaction_that_writes_is_given_up_in_a_minute_by_both_ends(url: sa.URL) -> None:
    database = Database(url, Settings())
    with database.write() as connection:
        for waits in (*server_waits(connection), *client_waits(connection)):
            assert 0 < waits <= LONGEST_SECONDS
        ((stays,),) = connection.execute(sa.text("SHOW idle_in_transaction_session_timeout"))
        assert stays == "0"
    # A pooler may give the server's connection to somebody else now.
    with database.read() as connection:
        assert server_waits(connection)[0] > LONGEST_SECONDS
        assert max(client_waits(connection)) <= LONGEST_SECONDS
    database.close()


def test_a_store_lets_go_of_a_dead_instance_in_a_minute(url: sa.URL) -> None:
    store = PostgresStore(url)
    with store.writing() as connection:
        for waits in (*server_waits(connection), *client_waits(connection)):
            assert 0 < waits <= LONGEST_SECONDS
    store.engine.dispose()


def test_what_the_address_says_of_keepalives_counts(url: sa.URL) -> None:
    database = Database(url.update_query_dict({"keepalives_idle": "7"}), Settings())
    with database.read() as connection:
        driver = connection.connection.dbapi_connection
        assert driver is not None
        assert driver.info.get_parameters()["keepalives_idle"] == "7"
    database.close()
