"""Who may read, and where: each call's transaction, its admin check, and the host's schema in it.

Where runs are read from a replica, the primary is asked who is an admin just before, because a
replica lags.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from runmanager import accounts
from runmanager.database import Database, translated
from runmanager.errors import (
    DatabaseDeniedError,
    DatabaseError,
    HostError,
    MissingGrantError,
    RunNotFoundError,
    SchemaChangedError,
)
from runmanager.host.catalog import read_host
from runmanager.host.values import Host, Reading
from runmanager.host.versions import read_version
from runmanager.queries.catalog.hints import read_hints

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa

    from runmanager.conventions import Conventions
    from runmanager.host.values import Hints
    from runmanager.records import Actor
    from runmanager.replica import Replica

T = TypeVar("T")
logger = logging.getLogger(__name__)


class Access:
    """Answers questions to the database, for an actor who is an admin at that moment.

    A question that meets a table or column which is gone, or one that is denied, is asked once
    more, after the schema was read again: the host may change while Run Manager runs. As long as
    the role is known to lack a grant, each question asks for it anew.
    """

    def __init__(
        self, database: Database, conventions: Conventions, replica: Replica | None = None
    ) -> None:
        self.database = database
        self._conventions = conventions
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
        of_all_tables: bool = False,
    ) -> T:
        """What ``question`` finds about runs, on the replica where there is one.

        ``seconds`` is a statement's time limit where it is not the settings', ``reader`` whose
        share of the connections it takes, by default the actor's. ``of_all_tables``: the question
        is about tables that may have been added by now. Raises RunNotFoundError where ``thread_id``
        is that of a run deleted a moment ago.
        """

        def ask() -> T:
            if of_all_tables:
                with self.database.read(reader or actor.user_id) as connection, translated():
                    self._renewed(connection, *self._schema)
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

    def read_to_delete(self, actor: Actor, question: Callable[[Reading], T]) -> T:
        """``read_primary``, for what the role must be able to delete at this moment.

        Raises MissingGrantError, with the GRANT to make, where it cannot.
        """

        def ask() -> T:
            return self._on_primary(actor, question, deleting=True)

        return self._on_current_schema(ask)

    def require_admin(self, actor: Actor) -> None:
        """Raises NotAdminError unless the actor is an admin at this moment."""
        self.read_primary(actor, lambda _reading: None)

    def read_accounts(self, question: Callable[[sa.Connection, Host], T]) -> T:
        """What ``question`` finds among the users: signing in, which makes an actor, has none.

        Whoever asks is nobody yet: what the database lacks, or denies, is told to the log only.
        """

        def ask() -> T:
            with self.database.read() as connection:
                return question(connection, self.host)

        try:
            return self._on_current_schema(ask)
        except (HostError, DatabaseDeniedError) as error:
            logger.error("Nobody can sign in: %s", error.message)  # noqa: TRY400  a traceback could carry values
            raise DatabaseError from None

    def current_host(self) -> Host:
        """The schema as it is now, for an operation, which another instance may have planned.

        Where the database cannot be asked it is what was known last: the batches find out.
        """
        host, hints = self._schema
        with suppress(DatabaseError, HostError), self.database.read() as connection:
            host, hints = self._renewed(connection, host, hints)
        return host

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
        *,
        deleting: bool = False,
    ) -> T:
        # Both at once: another thread may be reading the schema again.
        host, hints = self._schema
        with self.database.read(reader or actor.user_id, seconds=seconds) as connection:
            accounts.require_admin(connection, host, actor)
            with translated():
                if deleting or host.privileges.sentences:
                    host, hints = self._renewed(connection, host, hints)
                if deleting and host.privileges.deleting is not None:
                    raise MissingGrantError(host.privileges.deleting)
                return question(Reading(connection, host, hints))

    def _renewed(self, connection: sa.Connection, host: Host, hints: Hints) -> tuple[Host, Hints]:
        """The schema as it is now, read again and kept where it has changed."""
        if read_version(connection) == host.version:
            return host, hints
        host = read_host(connection, self._conventions)
        self._schema = (host, read_hints(connection, host))
        return self._schema

    def _on_current_schema(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except MissingGrantError:
            raise
        except (SchemaChangedError, DatabaseDeniedError):
            self._schema = self._read_schema()
            if self._replica is not None:
                self._replica.look_again(self.host)
        return ask()

    def _read_schema(self) -> tuple[Host, Hints]:
        with self.database.read() as connection:
            host = read_host(connection, self._conventions)
            return host, read_hints(connection, host)
