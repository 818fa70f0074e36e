"""What a server knows of a transaction whose number it gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from runmanager.commits import Fate, fate_of, transaction_number
from runmanager.database import Database
from runmanager.errors import DatabaseError
from runmanager.settings import Settings
from tests.hosts import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hosts import HostWriter


@pytest.fixture
def database(host: HostWriter) -> Iterator[Database]:
    database = Database(host.url, Settings(pool_size=4))
    yield database
    database.close()


def test_a_transaction_is_open_until_its_commit_and_committed_then(database: Database) -> None:
    with database.write() as connection:
        number = transaction_number(connection)
        assert fate_of(database, number) is Fate.OPEN
    assert fate_of(database, number) is Fate.COMMITTED


def test_a_transaction_that_was_undone_is_aborted(database: Database) -> None:
    with database._writing.connect() as connection:
        number = transaction_number(connection)
        connection.rollback()
    assert fate_of(database, number) is Fate.ABORTED


def test_a_transaction_whose_backend_was_ended_is_aborted(
    host: HostWriter, database: Database
) -> None:
    other = connect(host.url)
    other.autocommit = False
    asked = "SELECT pg_current_xact_id()::text, pg_backend_pid()"
    number, pid = other.execute(asked).fetchone() or ("", 0)
    host.execute("SELECT pg_terminate_backend(%s, 5000)", pid)
    assert fate_of(database, number) is Fate.ABORTED
    other.close()


def test_a_number_that_this_server_has_not_given_yet_is_unknown(
    host: HostWriter, database: Database
) -> None:
    ((number,),) = host.execute("SELECT pg_current_xact_id()::text::bigint + 1000000")
    assert fate_of(database, str(number)) is Fate.UNKNOWN


def test_a_number_from_so_long_ago_that_nothing_is_known_of_it_is_unknown(
    host: HostWriter, database: Database
) -> None:
    # 0 is the number of no transaction, of which the server says what it says of the oldest.
    assert host.execute("SELECT pg_xact_status('0')") == [(None,)]
    assert fate_of(database, "0") is Fate.UNKNOWN


def test_where_the_server_cannot_be_asked_nothing_is_said(host: HostWriter) -> None:
    database = Database(host.url.set(database="nowhere"), Settings(pool_size=2))
    with pytest.raises(DatabaseError):
        fate_of(database, "1000")
    database.close()


def test_asking_for_a_number_gives_the_transaction_one(database: Database) -> None:
    with database.write() as connection:
        number = transaction_number(connection)
        assert transaction_number(connection) == number
        found = sa.select(sa.cast(sa.func.pg_current_xact_id_if_assigned(), sa.Text))
        assert connection.scalar(found) == number
