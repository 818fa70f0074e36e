"""A process that kills itself at one of the boundaries of an operation that it carries out.

A boundary is before and after each statement, COPY, COMMIT and ROLLBACK, of the host's database and
of the store, and before and after each file is made durable, put in its place or removed, in the
thread that starts the operation and in the one that carries it out.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultDialect

from pages.passwords import is_password
from runmanager import batches, database_copy, ledger
from runmanager.deletion import execution, leaving
from runmanager.paging import PageRequest
from runmanager.records import OperationState
from runmanager.service import RunManager
from runmanager.settings import Settings
from tests.operations import until
from tests.processes import COOKIE_KEY
from tests.served import SERVED

if TYPE_CHECKING:
    from collections.abc import Callable

    from runmanager.ledger import Ledger
    from runmanager.records import Actor

_FILES = ("fsync", "replace", "unlink", "rmdir", "mkdir")
_STATEMENTS = ("do_execute", "do_execute_no_params", "do_commit", "do_rollback")
SMALL_BATCH, SMALL_CHUNK = 2, 4
FIRST_PAGE = PageRequest(1, 50)


@dataclass(frozen=True)
class Job:
    """What the process does: ``delete``, ``restore`` or ``purge`` of ``target``, and how it dies.

    ``target`` are a deletion's runs, or else the id of the deletion. ``broken`` names a fault of
    the program's own, which whoever looks at what is left must notice. ``audit`` is where its audit
    lines go.
    """

    url: str
    state_dir: Path
    actor: Actor
    kind: str
    target: tuple[str, ...]
    die_at: int | None = None
    broken: str | None = None
    is_small: bool = True
    audit: Path | None = None


@dataclass
class Boundaries:
    """Counts them; the process dies at one."""

    die_at: int | None
    names: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    starter: threading.Thread | None = None

    def reach(self, name: str) -> None:
        """Come to a boundary."""
        thread = threading.current_thread()
        if thread is not self.starter and not thread.name.startswith("operation "):
            return
        with self._lock:
            self.names.append(name)
            if len(self.names) == self.die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, name: str, shown: Callable[..., str]) -> None:
        """Let what ``owner`` has of this name lie between two boundaries."""
        real = getattr(owner, name)

        @wraps(real)
        def bounded(*arguments: Any, **named: Any) -> Any:
            at = shown(name, *arguments)
            self.reach(f"before {at}")
            result = real(*arguments, **named)
            self.reach(f"after {at}")
            return result

        setattr(owner, name, bounded)


def run(job: Job) -> tuple[int | None, list[str]]:
    """Let a process do the job; how it ended, and which boundaries it came to if it lived."""
    ours, theirs = SERVED.Pipe(duplex=False)
    process = SERVED.Process(target=_do, args=(job, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        names = ours.recv()
    except EOFError:
        names = []
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode, names


def small() -> None:
    """Let batches and chunks be small, and nobody be patient."""
    batches.BATCH_SIZE, batches.LOCKED_SECONDS = SMALL_BATCH, 1000.0
    execution.CHUNK_RUNS = SMALL_CHUNK
    execution.PATIENCE_SECONDS = (0.01,)


def settings_of(state_dir: Path) -> Settings:
    """The settings of a Run Manager with this store."""
    return Settings(pool_size=4, lock_timeout=5.0, state_dir=state_dir, cookie_keys=(COOKIE_KEY,))


def _do(job: Job, told: Any) -> None:
    if job.is_small:
        small()
    _break(job.broken)
    if job.audit is not None:
        audit = logging.getLogger("runmanager.audit")
        audit.setLevel(logging.INFO)
        audit.addHandler(logging.FileHandler(job.audit, encoding="utf-8"))
    manager = RunManager.open(sa.make_url(job.url), settings_of(job.state_dir), is_password)
    boundaries = Boundaries(job.die_at)
    _bound(boundaries)
    boundaries.starter = threading.current_thread()
    operation_id = _start(manager, job)
    boundaries.starter = None
    rests = {OperationState.FINISHED, OperationState.PAUSED}
    until(lambda: manager.operations.view(job.actor, operation_id).state in rests, seconds=40)
    names = list(boundaries.names)
    manager.close()
    told.send(names)


def _start(manager: RunManager, job: Job) -> str:
    if job.kind == "delete":
        plan = manager.deleting.plan(job.actor, job.target)
        return manager.deleting.start(job.actor, plan).operation_id
    (operation_id,) = job.target
    if job.kind == "restore":
        return manager.operations.restore(job.actor, operation_id).operation_id
    return manager.operations.purge(job.actor, operation_id).operation_id


def _bound(boundaries: Boundaries) -> None:
    def of_dialect(name: str, dialect: Any, *arguments: Any) -> str:
        where = "host" if dialect.name == "postgresql" else "store"
        said = arguments[1].split("\n")[0][:60] if name.startswith("do_execute") else ""
        return f"{where} {name} {said}".rstrip()

    def of_file(name: str, *arguments: Any) -> str:
        last = arguments[-1]
        return f"{name} {Path(last).name if not isinstance(last, int) else ''}".rstrip()

    for name in _STATEMENTS:
        boundaries.around(DefaultDialect, name, of_dialect)
    for name in _FILES:
        boundaries.around(os, name, of_file)
    real = database_copy.copied_lines

    def copied_lines(connection: sa.Connection, statement: Any) -> Any:
        boundaries.reach("before host copy")
        for number, line in enumerate(real(connection, statement)):
            if number == 1:
                boundaries.reach("within host copy")
            yield line
        boundaries.reach("after host copy")

    vars(leaving)["copied_lines"] = copied_lines


def _break(fault: str | None) -> None:
    """Let the program have a fault that it has not."""
    if fault == "late":
        ledger.Ledger.transact = _written_late  # type: ignore[method-assign]


def _written_late(self: Ledger, lock_timeout: float | None, do: Any) -> Any:
    """A transaction whose record is written after its COMMIT."""
    number = self.number + 1
    with self.database.write(lock_timeout=lock_timeout) as connection:
        done = do(connection, number)
    if not done.is_nothing:
        record = {**done.to_json(), "xid": None}
        self.folder.write(f"{number:06}.json", ledger._bytes(record))
        self.number = number
    return done
