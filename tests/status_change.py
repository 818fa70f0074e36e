"""An operation of another kind than a deletion: it gives runs another status."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runmanager.accounts import require_admin
from runmanager.batches import Batches, KeptRowsError, Outcome, RefusedError
from runmanager.host.ids import has_id
from runmanager.records import DoneRun, FailedRun, OperationKind, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runmanager.database import Database
    from runmanager.host.values import Host
    from runmanager.records import Actor

STATUS_CHANGE = OperationKind(
    name="status change",
    doing="Changing",
    done="changed",
    not_done="Not changed",
    removes_runs=False,
)
NO_SUCH_RUN = "There is no such run to change."
REFUSED = "The database keeps this run as it is."


@dataclass
class StatusStep:
    """Gives a batch of runs another status; ``tried`` has every batch that it was asked for."""

    host: Host
    actor: Actor
    status: str
    tried: list[list[str]] = field(default_factory=list)

    @property
    def kind(self) -> OperationKind:
        """That it changes a status."""
        return STATUS_CHANGE

    def do(self, connection: sa.Connection, batch: list[str]) -> Outcome:
        """Change them all; a row that stays as it is refuses the whole batch."""
        self.tried.append(batch)
        require_admin(connection, self.host, self.actor)
        runs = self.host.runs
        statement = (
            sa.update(runs).where(has_id(runs.c.thread_id, batch)).values(status=self.status)
        )
        try:
            rows = connection.execute(
                statement.returning(sa.cast(runs.c.thread_id, sa.Text), runs.c.status)
            ).all()
        except sa.exc.SQLAlchemyError as error:
            raise RefusedError(runs.name, error) from error
        if any(status != self.status for _thread_id, status in rows):
            raise KeptRowsError(runs.name)
        changed = {thread_id: Counter({runs.name: 1}) for thread_id, _status in rows}
        missing = [thread_id for thread_id in batch if thread_id not in changed]
        return Outcome(changed, dict.fromkeys(missing, NO_SUCH_RUN))

    def may_pass(self, error: Exception) -> bool:
        """A row that was kept may not be kept at a second try."""
        return isinstance(error, KeptRowsError)

    def reason_for(self, error: Exception) -> str:
        """In its own words."""
        return REFUSED if isinstance(error, RefusedError | KeptRowsError) else str(error)

    def hopeless(self, error: Exception) -> str | None:
        """What the database says of every run alike."""
        return "Nothing can be changed at all." if "hopeless" in str(error.__cause__) else None


def batches_of(
    database: Database,
    step: StatusStep,
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _failed: None,
    should_stop: Callable[[], bool] = lambda: False,
    on_done: Callable[[Iterable[str]], None] = lambda _thread_ids: None,
) -> Batches[Outcome]:
    """The batches of one status change."""
    return Batches(database, step, Outcome(), on_progress, should_stop, on_done)


@dataclass(frozen=True)
class StatusChange:
    """A status change as an operation carries it out."""

    thread_ids: tuple[str, ...]
    status: str

    @property
    def kind(self) -> OperationKind:
        """That it changes a status."""
        return STATUS_CHANGE

    def audit_details(self) -> dict[str, Any]:
        """The status that was wanted."""
        return {"to": self.status}

    def carry_out(
        self,
        database: Database,
        host: Host,
        actor: Actor,
        *,
        on_progress: Callable[[int, int], None],
        should_stop: Callable[[], bool],
    ) -> Receipt:
        """Change them, and account for each."""
        began, clock = datetime.now(UTC), time.monotonic()
        step = StatusStep(host, actor, self.status)
        batches = batches_of(database, step, on_progress=on_progress, should_stop=should_stop)
        batches.run(sorted(self.thread_ids))
        done, failed = batches.outcome.done, batches.outcome.failed
        return Receipt(
            kind=STATUS_CHANGE,
            actor=actor,
            started_at=began,
            seconds=time.monotonic() - clock,
            done=tuple(DoneRun(one, one, tuple(rows.items())) for one, rows in done.items()),
            failed=tuple(FailedRun(one, one, reason) for one, reason in failed.items()),
            tables=(("run_metadata", len(done)),),
            was_stopped=batches.was_stopped,
        )
