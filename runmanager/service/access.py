"""Who may read, and where: each call's transaction, its admin check, and the host's schema in it.

Where runs are read from a replica, the primary is asked who is an admin just before, because a
replica lags.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from runmanager import accounts
from runmanager.database import Database, translated
from runmanager.errors import RunNotFoundError, SchemaChangedError
from runmanager.host.catalog import read_host
from runmanager.host.values import Host, Reading
from runmanager.queries.catalog.hints import read_hints

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import sqlalchemy as sa

    from runmanager.host.values import Hints
    from runmanager.records import Actor
    from runmanager.replica import Replica

T = TypeVar("T")


class Access:
    """Answers questions to the database, for an actor who is an admin at that moment.

    A question that meets a table or column which is gone is asked once more, after the schema was
    read again: the host may change while Run Manager runs.
    """

    def __init__(
        self, database: Database, trace_tables: Sequence[str], replica: Replica | None = None
    ) -> None:
        self.database = database
        self._trace_tables = trace_tables
        self._replica = replica
        self._schema = self._read_schema()

    @property
    def host(self) -> Host:
        """The host's schema as it was read last."""
        return self._schema[0]

    def read(
        self,
        actor: Actor,
        question: Callable[[Reading], T],
        *,
        thread_id: str | None = None,
        seconds: float | None = None,
        reader: str | None = None,
    ) -> T:
        """What ``question`` finds about runs, on the replica where there is one.

        ``seconds`` is a statement's time limit where it is not the settings', ``reader`` whose
        share of the connections it takes, by default the actor's. Raises RunNotFoundError where
        ``thread_id`` is that of a run deleted a moment ago.
        """

        def ask() -> T:
            hidden = self._hidden(actor)
            if self._replica is None or hidden is None:
                return self._on_primary(actor, question, seconds, reader)
            if thread_id in hidden:
                raise RunNotFoundError
            with self._replica.read(reader or actor.user_id, seconds) as connection, translated():
                return question(Reading(connection, self.host, self._replica.hints, hidden))

        return self._on_current_schema(ask)

    def read_primary(self, actor: Actor, question: Callable[[Reading], T]) -> T:
        """What ``question`` finds on the primary, which a deletion's plan is made from."""
        return self._on_current_schema(lambda: self._on_primary(actor, question))

    def require_admin(self, actor: Actor) -> None:
        """Raises NotAdminError unless the actor is an admin at this moment."""
        self.read_primary(actor, lambda _reading: None)

    def read_accounts(self, question: Callable[[sa.Connection, Host], T]) -> T:
        """What ``question`` finds among the users: signing in, which makes an actor, has none."""

        def ask() -> T:
            with self.database.read() as connection:
                return question(connection, self.host)

        return self._on_current_schema(ask)

    def _hidden(self, actor: Actor) -> frozenset[str] | None:
        """What to leave out of the replica's answer; None where the primary is to be asked."""
        if self._replica is None:
            return None
        replica = self._replica
        self._on_primary(actor, lambda reading: replica.note_position(reading.connection))
        return replica.hidden(actor.user_id)

    def _on_primary(
        self,
        actor: Actor,
        question: Callable[[Reading], T],
        seconds: float | None = None,
        reader: str | None = None,
    ) -> T:
        # Both at once: another thread may be reading the schema again.
        host, hints = self._schema
        with self.database.read(reader or actor.user_id, seconds=seconds) as connection:
            accounts.require_admin(connection, host, actor)
            with translated():
                return question(Reading(connection, host, hints))

    def _on_current_schema(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except SchemaChangedError:
            self._schema = self._read_schema()
            if self._replica is not None:
                self._replica.look_again(self.host)
        return ask()

    def _read_schema(self) -> tuple[Host, Hints]:
        with self.database.read() as connection:
            host = read_host(connection, self._trace_tables)
            return host, read_hints(connection, host)
