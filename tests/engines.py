"""Engines as the tests use them: a kind of operation that counts, and stores that let go of one."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runmanager.errors import StoreError
from runmanager.records import Actor, OperationKind, Origin
from runmanager.store import Store
from runmanager.tasks import Ending, Finished
from runmanager.work.engine import Engine
from runmanager.work.workers import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import sqlalchemy as sa

    from runmanager.records import OperationView
    from runmanager.tasks import Control, Task

ADA, GRACE = Actor("1", "ada"), Actor("2", "grace")
COUNTING = OperationKind("counting", "Counting", "counted", "Not counted", removes_runs=False)
# A lease lapses before anybody gets impatient, and not before a busy machine has renewed it.
FAST = Pace(lease=3.0, renew=0.2, tell=0.05, poll=0.05, away=0.1)


@dataclass
class Journal:
    """What was done in truth, as a host's database knows it, whoever did it: one step at a time.

    ``gates`` hold back the step of this number until they are set.
    """

    steps: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    by: list[tuple[str, int, int]] = field(default_factory=list)
    ended: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    gates: dict[int, threading.Event] = field(default_factory=dict)
    arrived: dict[int, threading.Event] = field(
        default_factory=lambda: defaultdict(threading.Event)
    )
    locks: dict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))
    at_work: set[str] = field(default_factory=set)
    most_at_work: int = 0

    def gate(self, step: int) -> threading.Event:
        """Hold back this step, of whatever operation, until the event is set."""
        self.gates[step] = threading.Event()
        return self.gates[step]

    def do(self, task: Task, step: int) -> None:
        """One step, under the operation's lock, for the holder of its lease; once."""
        self.arrived[step].set()
        if step in self.gates:
            assert self.gates[step].wait(30)
        with self.locks[task.operation_id]:
            task.control.require_lease()
            self.steps[task.operation_id].append(step)
            self.by.append((task.operation_id, step, task.epoch))

    @contextmanager
    def working(self, operation_id: str, control: Control) -> Iterator[None]:
        """Count who is at work at the same time."""
        name = f"{operation_id} {id(control)}"
        self.at_work.add(name)
        self.most_at_work = max(self.most_at_work, len(self.at_work))
        try:
            yield
        finally:
            self.at_work.discard(name)


@dataclass
class Counting:
    """Counts to its spec's total, from where the journal says that it is."""

    journal: Journal
    before: Callable[[Task, int], None] = lambda _task, _step: None
    words: OperationKind = COUNTING

    def carry_out(self, task: Task) -> Finished | None:
        """Count on, and look before each step whether it is to end."""
        journal, steps = self.journal, self.journal.steps[task.operation_id]
        with journal.working(task.operation_id, task.control):
            was_stopped = False
            for step in range(len(steps), int(task.spec["total"])):
                ending = task.control.ending()
                if ending is not None:
                    journal.ended[task.operation_id].append(ending.value)
                if ending is Ending.STOP:
                    was_stopped = True
                    break
                if ending is not None:
                    return None
                self.before(task, step)
                journal.do(task, step)
                task.control.tell(len(steps), 0)
            return Finished(len(steps), 0, {"was_stopped": was_stopped, "epoch": task.epoch})


class CutOff(Store):
    """The store as an instance has it that may be frozen, or be cut off for good by a crash."""

    def __init__(self, store: Store) -> None:
        super().__init__(store._kept)
        self.is_crashed = False
        self._goes_on = threading.Event()
        self._goes_on.set()

    def crash(self) -> None:
        """Let nothing that the instance does reach the store any more."""
        self.is_crashed = True
        self._goes_on.set()

    def freeze(self) -> None:
        """Let the instance stand still at its next use of the store."""
        self._goes_on.clear()

    def thaw(self) -> None:
        """Let it go on as if nothing had been."""
        self._goes_on.set()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """As the store's, where it is reached."""
        self._reach()
        with super().read() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """As the store's, where it is reached."""
        self._reach()
        with super().write() as connection:
            yield connection

    def _reach(self) -> None:
        assert self._goes_on.wait(30)
        if self.is_crashed:
            raise StoreError("Run Manager's store is out of this instance's reach.")


class Deaf(Store):
    """The store as an instance has it that does not hear the answer to its next commit.

    With ``for_good`` it hears nothing any more from then on.
    """

    def __init__(self, store: Store, *, for_good: bool) -> None:
        super().__init__(store._kept)
        self._for_good = for_good
        self._is_deaf = False
        self._has_missed = False

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """As the store's, where its answer is heard."""
        if self._is_deaf:
            raise StoreError("Run Manager's store cannot be reached.")
        with super().read() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """As the store's; what is written is there, whether or not that is heard."""
        with super().write() as connection:
            yield connection
        if not self._has_missed:
            self._has_missed, self._is_deaf = True, self._for_good
            raise StoreError("Run Manager's store cannot be reached.")


class Engines:
    """Opens engines on one store, and closes them at the end of the test."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.journal = Journal()
        self._opened: list[tuple[Engine, CutOff]] = []

    def open(
        self,
        name: str = "one",
        kinds: list[Any] | None = None,
        at_once: int = 2,
        pace: Pace = FAST,
    ) -> Engine:
        """One more instance at work."""
        reached = CutOff(self.store)
        engine = Engine(reached, kinds or [Counting(self.journal)], name, at_once, pace)
        engine.start()
        self._opened.append((engine, reached))
        return engine

    def reach(self, engine: Engine) -> CutOff:
        """What lies between this instance and the store."""
        return next(reached for one, reached in self._opened if one is engine)

    def close(self) -> None:
        """Let every step go on, and every engine end."""
        for gate in self.journal.gates.values():
            gate.set()
        for _engine, reached in self._opened:
            reached.thaw()
        for engine, _reached in self._opened:
            engine.close()


def submit(engine: Engine, total: int = 3, **spec: Any) -> OperationView:
    """Start counting to ``total``."""
    return engine.submit("counting", ADA, Origin.PAGE, {"total": total, **spec})
