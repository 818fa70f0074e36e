"""RunManager: the one door that pages and API go through.

Every call takes the actor and asks the database, in the call's own transaction, whether they are
still an admin; where runs are read from a replica, it asks the primary just before, because a
replica lags. Each raises NotAdminError if not, and DatabaseError where the database is away, too
slow or refuses.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from runmanager import accounts
from runmanager.audit import Door
from runmanager.counting import Counts
from runmanager.database import Database, translated
from runmanager.deletion import plan_deletion
from runmanager.errors import (
    DatabaseError,
    HostError,
    InvalidRequestError,
    RunNotFoundError,
    StartError,
)
from runmanager.filters import RunFilter
from runmanager.host import Host, TraceTable, read_host
from runmanager.operations import Operations
from runmanager.queries import checkpoints, detail, facets, footprint, logs, runs
from runmanager.queries.hints import with_hints
from runmanager.queries.runs import Limits
from runmanager.replica import Replica

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import sqlalchemy as sa

    from runmanager.paging import Page, PageRequest
    from runmanager.records import (
        Actor,
        Blob,
        CheckpointDetail,
        CheckpointSummary,
        CountView,
        Credential,
        DeletionPlan,
        Footprint,
        LeftBehind,
        LogEntry,
        OperationView,
        Receipt,
        RunDetail,
        RunPage,
        WorkspaceChoice,
    )
    from runmanager.settings import Settings

SEARCH_ON_SECONDS = 0.5
SEARCH_ON_SLICE = 50_000


class RunManager:
    """Find, review and delete the runs of one host's database."""

    def __init__(
        self, database: Database, host: Host, glance: Limits, replica: Replica | None = None
    ) -> None:
        self._database = database
        self._host = host
        self._glance = glance
        self._replica = replica
        self._counts = Counts(self._reading)
        self._operations = (
            Operations(database, host)
            if replica is None
            else Operations(database, host, on_deleted=replica.remember)
        )

    @classmethod
    def open(cls, url: sa.URL, settings: Settings, glance: Limits | None = None) -> RunManager:
        """Connect and read the host's schema; ``glance`` is what ``browse`` does while one waits.

        Raises StartError, in one sentence, when the database cannot be reached or lacks something.
        """
        database, host = _open(url, settings, "DATABASE_URL")
        if settings.read_url is None:
            return cls(database, host, glance or Limits())
        try:
            replica, replicated = _open(settings.read_url, settings, "RUNMANAGER_READ_URL")
        except StartError:
            database.close()
            raise
        return cls(database, host, glance or Limits(), Replica(replica, replicated.hints))

    def close(self) -> None:
        """Let running deletions end after their batch, then close every connection."""
        self._counts.close()
        self._operations.close()
        self._database.close()
        if self._replica is not None:
            self._replica.close()

    # Signing in: the only calls without an actor, because they are what makes one.

    def sign_in_credentials(self) -> tuple[Credential, ...]:
        """The active admins who can sign in, for the sign-in form to check against."""
        with self._database.read() as connection:
            return accounts.sign_in_credentials(connection, self._host)

    def actor_for(self, username: str) -> Actor:
        """The active admin of that name, in any case. Raises NotAdminError when there is none."""
        with self._database.read() as connection:
            return accounts.actor_for(connection, self._host, username)

    def actor_named(self, name: str, *, is_username: bool) -> Actor:
        """The active admin whom a token names, by id or by username. Raises NotAdminError."""
        with self._database.read() as connection:
            return accounts.named(connection, self._host, name, is_username=is_username)

    def sign_in(self, username: str, password: str) -> Actor:
        """The active admin with this name and password.

        Raises WrongPasswordError where they do not belong together, and NotAdminError where they
        do and the user is no active admin.
        """
        with self._database.read() as connection:
            known_hash = accounts.password_hash(connection, self._host, username)
        # A third of a second on purpose: no connection waits for it.
        accounts.check_password(known_hash, password)
        with self._database.read() as connection:
            return accounts.named(connection, self._host, username, is_username=True)

    def is_database_reachable(self) -> bool:
        """Whether the database answers; the one call that anybody may make."""
        try:
            with self._database.read():
                pass
            if self._replica is not None:
                with self._replica.read():
                    pass
        except DatabaseError:
            return False
        return True

    # Finding

    def list_runs(self, actor: Actor, run_filter: RunFilter, request: PageRequest) -> RunPage:
        """One page of the runs, found in full; one past the end is empty.

        The total is exact wherever it can be counted within the time limit of a statement.
        """
        patient = replace(self._glance, count_seconds=self._database.statement_timeout)
        with self._reading(actor) as (connection, host):
            return runs.list_runs(connection, host, run_filter, request, patient)

    def browse(
        self,
        actor: Actor,
        run_filter: RunFilter,
        request: PageRequest,
        near: RunPage | None = None,
    ) -> RunPage:
        """One page as somebody who waits for it wants it: at once, the last one past the end.

        ``near`` is a page of the same filter that was read before; the page beside it is read from
        there. Totals above 10,000 are not counted, and a search that takes long stops part of the
        way: ``search_on`` continues it.
        """
        with self._reading(actor) as (connection, host):
            return runs.browse(connection, host, run_filter, request, near, self._glance)

    def search_on(self, actor: Actor, run_filter: RunFilter, page: RunPage) -> RunPage:
        """``page`` with what half a second of searching on has found."""
        pace = replace(self._glance.pace, first=SEARCH_ON_SLICE, seconds=SEARCH_ON_SECONDS)
        longer = replace(self._glance, pace=pace)
        with self._reading(actor) as (connection, host):
            return runs.search_on(connection, host, run_filter, page, longer)

    def usernames(self, actor: Actor) -> tuple[str, ...]:
        """The names of users that have runs, sorted."""
        with self._reading(actor) as (connection, host):
            return facets.usernames(connection, host)

    def workspaces(
        self, actor: Actor, run_filter: RunFilter | None = None
    ) -> tuple[WorkspaceChoice, ...]:
        """The workspaces that the runs of ``run_filter`` name, sorted by name."""
        with self._reading(actor) as (connection, host):
            return facets.workspaces(connection, host, run_filter or RunFilter())

    def start_count(self, actor: Actor, run_filter: RunFilter) -> CountView:
        """Start counting all runs of ``run_filter``, for a minute at the most."""
        self._require_admin(actor)
        return self._counts.start(actor, run_filter)

    def count(self, actor: Actor, count_id: str) -> CountView:
        """One of the actor's counts. Raises CountNotFoundError for any other."""
        self._require_admin(actor)
        return self._counts.view(actor, count_id)

    def stop_count(self, actor: Actor, count_id: str) -> None:
        """Stop one of the actor's counts."""
        self._require_admin(actor)
        self._counts.stop(actor, count_id)

    # Looking over

    def run(self, actor: Actor, thread_id: str) -> RunDetail:
        """Everything about one run. Raises RunNotFoundError for an id with no row anywhere."""
        with self._reading(actor, thread_id) as (connection, host):
            return detail.run_detail(connection, host, thread_id)

    def footprint(
        self, actor: Actor, thread_id: str
    ) -> tuple[tuple[Footprint, ...], tuple[LeftBehind, ...]]:
        """One run's rows and stored bytes by table: what goes with it, and what is left behind."""
        with self._reading(actor, thread_id) as (connection, host):
            going = footprint.footprints(connection, footprint.run_tables(host), [thread_id])
            return going, footprint.left_behind(connection, host, [thread_id])

    @property
    def log_tables(self) -> tuple[str, ...]:
        """The names of the host's log tables: none, ``logs``, ``thread_logs`` or both."""
        return tuple(sorted(trace.name for trace in self._host.logs))

    def log_levels(self, actor: Actor, thread_id: str, table: str) -> tuple[str, ...]:
        """The levels that appear in one run's log, sorted."""
        with self._reading(actor, thread_id) as (connection, _host):
            return logs.log_levels(connection, self._log_table(table), thread_id)

    def logs(
        self,
        actor: Actor,
        thread_id: str,
        table: str,
        request: PageRequest,
        *,
        levels: Sequence[str] = (),
        newest_first: bool = True,
    ) -> Page[LogEntry]:
        """One page of one run's log in ``table``, the last one past the end."""
        with self._reading(actor, thread_id) as (connection, _host):
            return logs.list_logs(
                connection,
                self._log_table(table),
                thread_id,
                request,
                levels=levels,
                newest_first=newest_first,
            )

    def checkpoints(
        self, actor: Actor, thread_id: str, request: PageRequest
    ) -> Page[CheckpointSummary]:
        """One page of one run's checkpoints, newest first, the last one past the end."""
        with self._reading(actor, thread_id) as (connection, host):
            return checkpoints.list_checkpoints(connection, host, thread_id, request)

    def checkpoint(
        self, actor: Actor, thread_id: str, namespace: str, checkpoint_id: str
    ) -> CheckpointDetail:
        """One checkpoint opened. Raises RunNotFoundError when it is gone."""
        with self._reading(actor, thread_id) as (connection, host):
            return checkpoints.open_checkpoint(
                connection, host, thread_id, namespace, checkpoint_id
            )

    def blobs(self, actor: Actor, thread_id: str, request: PageRequest) -> Page[Blob]:
        """One page of one run's stored channel values, measured and never decoded."""
        with self._reading(actor, thread_id) as (connection, host):
            return checkpoints.list_blobs(connection, host, thread_id, request)

    # Deleting

    def plan_deletion(
        self, actor: Actor, thread_ids: Sequence[str], *, include_running: bool = False
    ) -> DeletionPlan:
        """What deleting these runs would do. Raises InvalidRequestError for none or too many."""
        with self._reading_primary(actor) as connection:
            return plan_deletion(
                connection, self._host, thread_ids, include_running=include_running
            )

    def start_deletion(self, actor: Actor, plan: DeletionPlan) -> OperationView:
        """Start deleting exactly what ``plan`` says; it goes on without the caller."""
        self._require_admin(actor)
        return self._operations.start(actor, plan)

    def delete(
        self, actor: Actor, thread_ids: Sequence[str], *, include_running: bool
    ) -> tuple[DeletionPlan, Receipt]:
        """Plan and carry out at once, for a caller that waits; the plan and the receipt."""
        plan = self.plan_deletion(actor, thread_ids, include_running=include_running)
        operation = self._operations.start(actor, plan, Door.API)
        return plan, self._operations.receipt(actor, operation.operation_id)

    def operation(self, actor: Actor, operation_id: str) -> OperationView:
        """One of the actor's operations. Raises OperationNotFoundError for any other."""
        self._require_admin(actor)
        return self._operations.view(actor, operation_id)

    def running_operations(self, actor: Actor) -> tuple[OperationView, ...]:
        """The operations that the actor started from a page and that have not finished."""
        self._require_admin(actor)
        return self._operations.running(actor)

    def stop_operation(self, actor: Actor, operation_id: str) -> None:
        """End one of the actor's operations after its present batch."""
        self._require_admin(actor)
        self._operations.stop(actor, operation_id)

    @contextmanager
    def _reading(
        self,
        actor: Actor,
        thread_id: str | None = None,
        *,
        seconds: float | None = None,
        reader: str | None = None,
    ) -> Iterator[tuple[sa.Connection, Host]]:
        """Where to read runs, and the host without those that are deleted.

        ``seconds`` is a statement's time limit where it is not the settings', ``reader`` whose
        share of the connections it takes, by default the actor's. Raises RunNotFoundError where
        ``thread_id`` is one of those deleted.
        """
        hidden = self._hidden(actor)
        if self._replica is None or hidden is None:
            with self._reading_primary(actor, seconds, reader) as connection:
                yield connection, self._host
            return
        if thread_id in hidden:
            raise RunNotFoundError
        with self._replica.read(reader or actor.user_id, seconds) as connection, translated():
            yield connection, replace(self._host, hidden=hidden, hints=self._replica.hints)

    def _hidden(self, actor: Actor) -> frozenset[str] | None:
        """What to leave out of the replica's answer; None where the primary is to be asked."""
        if self._replica is None:
            return None
        with self._reading_primary(actor) as primary:
            self._replica.note_position(primary)
        return self._replica.hidden(actor.user_id)

    @contextmanager
    def _reading_primary(
        self, actor: Actor, seconds: float | None = None, reader: str | None = None
    ) -> Iterator[sa.Connection]:
        with self._database.read(reader or actor.user_id, seconds=seconds) as connection:
            accounts.require_admin(connection, self._host, actor)
            with translated():
                yield connection

    def _require_admin(self, actor: Actor) -> None:
        with self._reading_primary(actor):
            pass

    def _log_table(self, name: str) -> TraceTable:
        for trace in self._host.logs:
            if trace.name == name:
                return trace
        raise InvalidRequestError(f"The database has no log table “{name}”.")


def _open(url: sa.URL, settings: Settings, variable: str) -> tuple[Database, Host]:
    """Connect to the database that ``variable`` names, and read the host's schema there."""
    database = Database(url, settings)
    try:
        with database.read() as connection:
            host = read_host(connection, settings.trace_tables)
            return database, with_hints(connection, host)
    except DatabaseError as error:
        database.close()
        raise StartError(
            f"Cannot start: {error.message[0].lower()}{error.message[1:]} "
            f"It is the one that {variable} names."
        ) from None
    except HostError as error:
        database.close()
        if variable == "DATABASE_URL":
            raise
        raise HostError(f"{error.message} It is the database that {variable} names.") from None
