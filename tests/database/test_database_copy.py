"""COPY of what a statement of Core's reads: the same rows, with any values in it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy as sa

from runmanager.database_copy import copy_out
from tests.tried import trying

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hosts import HostWriter

VALUES: list[tuple[Any, sa.types.TypeEngine[Any]]] = [
    ("50 % of \\ is 'half' %s %(param_1)s :x", sa.Text()),
    ("", sa.Text()),
    ("über 🚀\n\t", sa.Text()),
    (["a", "b,{}\"'\\", None], sa.ARRAY(sa.Text())),
    ([uuid.UUID(int=7)], sa.ARRAY(sa.Uuid())),
    ([2**63 - 1, -(2**63)], sa.ARRAY(sa.BigInteger())),
    (uuid.UUID(int=2**128 - 1), sa.Uuid()),
    (datetime(2026, 3, 29, 1, 30, tzinfo=UTC), sa.DateTime(timezone=True)),
    (datetime(1, 1, 1), sa.DateTime()),  # noqa: DTZ001  a host's time without a zone
    (timedelta(days=3, microseconds=1), sa.Interval()),
    (None, sa.Text()),
    (True, sa.Boolean()),
    ({"a": ["%s"]}, sa.JSON()),
]


@pytest.fixture
def connection(host: HostWriter) -> Iterator[sa.Connection]:
    engine = sa.create_engine(host.url)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def test_a_value_is_the_same_in_a_copy_as_in_a_statement(connection: sa.Connection) -> None:
    for value, kind in VALUES:
        with trying(value):
            text = sa.cast(sa.literal(value, kind), sa.Text)
            statement = sa.select(sa.func.encode(sa.func.convert_to(text, "UTF8"), "hex"))
            expected = connection.scalar(statement)
            with copy_out(connection, statement) as copy:
                lines = [bytes(line).decode() for line in copy]
            assert lines == ["\\N\n" if expected is None else f"{expected}\n"]


def test_values_of_a_list_and_odd_names_come_through(connection: sa.Connection) -> None:
    rows = sa.values(sa.column("odd %(name)s", sa.Integer), name="v").data([(1,), (2,), (3,)])
    column = rows.c[0]
    statement = sa.select(column).where(column.in_([1, 3, 5]), column != 5).order_by(column)
    with copy_out(connection, statement) as copy:
        assert b"".join(copy) == b"1\n3\n"


def test_a_refused_copy_is_an_error_of_the_driver(connection: sa.Connection) -> None:
    with (
        pytest.raises(psycopg.errors.DivisionByZero),
        copy_out(connection, sa.select(sa.literal(1) / sa.literal(0))) as copy,
    ):
        list(copy)
