"""The engine of operations: they are written down before they begin, and go on whatever happens.

Any number of instances work on one store. What waits, or was left by an instance that died, is
taken up by whichever comes first, for as long as it renews its lease; so many are at work at once
over all instances. It knows of no kind of operation: a kind is given.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from runmanager.errors import (
    OperationNotFoundError,
    PlanExpiredError,
    PlanUsedError,
    StoreError,
)
from runmanager.paging import Page
from runmanager.records import KeptCopies, OperationState, OperationView
from runmanager.store import operations, plans
from runmanager.store.operations import NewOperation
from runmanager.tasks import Ending
from runmanager.work import steering
from runmanager.work.views import UNFINISHED, LastSeen, view_of
from runmanager.work.workers import Pace, Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any

    from runmanager.paging import PageRequest
    from runmanager.records import Actor, OperationKind, Origin
    from runmanager.store import Store
    from runmanager.store.operations import StoredOperation
    from runmanager.tasks import Kind

__all__ = ["Engine", "Pace"]

MAX_RUNNING_SHOWN = 100


class Engine:
    """The operations of one store, as one instance sees them and, once started, works on them."""

    def __init__(
        self,
        store: Store,
        kinds: Sequence[Kind],
        instance_id: str,
        at_once: int = 2,
        pace: Pace | None = None,
    ) -> None:
        self._store = store
        self._kinds = {kind.words.name: kind for kind in kinds}
        self._words = {name: kind.words for name, kind in self._kinds.items()}
        # Not the instance's alone: after a crash it comes again, and must not pass for itself.
        owner = f"{instance_id}/{uuid.uuid4().hex}"
        self._pace = pace or Pace()
        self._last_seen = LastSeen()
        self._away_until = 0.0
        self._workers = Workers(store, self._kinds, owner, at_once, self._pace, self._see)

    def start(self) -> None:
        """Begin to work: also on what other instances, or this one before, have left."""
        self._workers.start()

    # Beginning -----------------------------------------------------------------------------------

    def plan(
        self,
        kind: str,
        actor: Actor,
        origin: Origin,
        spec: Mapping[str, Any],
        *,
        operation_id: str | None = None,
    ) -> OperationView:
        """Keep a plan for an hour: ``queue`` starts it, once, for its maker.

        ``spec`` is of JSON's types; views show its ``sentence``, ``reason`` and ``total``.
        """
        new = self._new(kind, actor, origin, spec, None, operation_id)
        return self._insert(new, OperationState.PLANNED)

    def queue(
        self,
        operation_id: str,
        actor: Actor,
        *,
        origin: Origin | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> OperationView:
        """Start a plan, with ``more`` in its spec (a reason, say) than was known before.

        Raises OperationNotFoundError for nobody's or another's, PlanUsedError for one that was
        started already, and PlanExpiredError for one older than an hour.
        """
        with self._store.write() as connection:
            found = _own_plan(operations.find(connection, operation_id, for_update=True), actor)
            spec = {**(operations.find_spec(connection, operation_id) or {}), **(more or {})}
            asked_at = found.origin if origin is None else origin.value
            if not plans.start(connection, operation_id, spec, asked_at):
                raise PlanExpiredError
            found = self._found(operations.find(connection, operation_id))
        return self._begun(found)

    def require_plan(self, operation_id: str, actor: Actor) -> None:
        """Raises as ``queue`` does, by the store's clock as it does; nothing is started."""
        with self._store.read() as connection:
            _own_plan(operations.find(connection, operation_id), actor)
            if not plans.can_start(connection, operation_id):
                raise PlanExpiredError

    def submit(
        self,
        kind: str,
        actor: Actor,
        origin: Origin,
        spec: Mapping[str, Any],
        *,
        parent: str | None = None,
        operation_id: str | None = None,
    ) -> OperationView:
        """Start an operation without a plan of its own; it begins at once where there is room."""
        new = self._new(kind, actor, origin, spec, parent, operation_id)
        return self._insert(new, OperationState.QUEUED)

    @property
    def kinds(self) -> tuple[OperationKind, ...]:
        """Every kind that was given, in words."""
        return tuple(self._words.values())

    # Looking on ----------------------------------------------------------------------------------

    def view(self, operation_id: str) -> OperationView:
        """How an operation stands; as it was last seen here while the store does not answer.

        Raises OperationNotFoundError, and StoreError for one that was never seen here.
        """
        seen = self._last_seen.get(operation_id)
        if seen is not None and time.monotonic() < self._away_until:
            return self._with_progress(seen)
        try:
            with self._store.read() as connection:
                found = operations.find(connection, operation_id)
        except StoreError:
            self._away_until = time.monotonic() + self._pace.away
            if seen is None:
                raise
            return self._with_progress(seen)
        self._away_until = 0.0
        return self._seen(self._found(found))

    def spec(self, operation_id: str) -> Mapping[str, Any]:
        """What an operation is to do. Raises OperationNotFoundError where nobody can tell."""
        with self._store.read() as connection:
            found = operations.find_spec(connection, operation_id)
        if found is None:
            raise OperationNotFoundError
        return found

    def views(
        self,
        request: PageRequest,
        states: Collection[OperationState] | None = None,
        *,
        parent: str | None = None,
        kinds: Collection[str] | None = None,
        admin: str | None = None,
    ) -> Page[OperationView]:
        """A page of operations, newest first: of these states, or all but plans; or its nearest."""
        with self._store.read() as connection:
            total = operations.count(connection, states, parent, kinds, admin)
            page = request.within(total)
            found = operations.page(
                connection,
                offset=page.offset,
                size=page.size,
                states=states,
                parent=parent,
                kinds=kinds,
                admin=admin,
            )
        return Page(tuple(map(self._seen, found)), total, page.number, page.size)

    def running(self) -> tuple[OperationView, ...]:
        """What has begun, or waits, and has not finished; the newest first, and so many at most."""
        with self._store.read() as connection:
            found = operations.page(connection, offset=0, size=MAX_RUNNING_SHOWN, states=UNFINISHED)
        return tuple(map(self._seen, found))

    def admins(self) -> tuple[str, ...]:
        """The names of all who have asked for an operation."""
        with self._store.read() as connection:
            return operations.admins(connection)

    def kept(self) -> KeptCopies:
        """What is kept of all that operations have removed."""
        kinds = [name for name, words in self._words.items() if words.removes_runs]
        with self._store.read() as connection:
            kept, size = operations.archived(connection)
            return KeptCopies(kept, size, operations.count(connection, UNFINISHED, kinds=kinds))

    def wait(self, operation_id: str) -> OperationView:
        """Block until an operation has finished; how it stands then.

        It comes back unfinished where the operation rests until somebody resumes it, and when this
        instance closes.
        """
        while True:
            view = self._last_seen.get(operation_id)
            if view is None or not view.is_over:
                view = self.view(operation_id)
            if view.is_over or view.state is OperationState.PAUSED:
                return view
            if self._workers.wait_for(operation_id, lambda: self._is_over(operation_id)):
                return self.view(operation_id)

    # Steering ------------------------------------------------------------------------------------

    def want(self, operation_id: str, ending: Ending) -> OperationView:
        """Let an operation stop for good, or pause. Raises OperationStateError where it cannot."""
        ways = {Ending.STOP: steering.stopping, Ending.PAUSE: steering.pausing}
        return self._steer(operation_id, ways[ending])

    def resume(self, operation_id: str) -> OperationView:
        """Let an operation go on. Raises OperationStateError where it cannot."""
        return self._steer(operation_id, steering.resuming)

    def begin_closing(self) -> None:
        """Let what is at work here end after its batch, and return at once; nothing else begins."""
        self._workers.begin_closing()

    def close(self) -> None:
        """Let what is at work here end after its batch, and wait for that; others may go on."""
        self._workers.close()

    # Inside --------------------------------------------------------------------------------------

    def _new(
        self,
        kind: str,
        actor: Actor,
        origin: Origin,
        spec: Mapping[str, Any],
        parent: str | None,
        operation_id: str | None,
    ) -> NewOperation:
        if kind not in self._kinds:
            raise ValueError(f"no kind of operation is called {kind}")
        new_id = operation_id or uuid.uuid4().hex
        return NewOperation(new_id, kind, actor, origin.value, spec, parent)

    def _insert(self, new: NewOperation, state: OperationState) -> OperationView:
        try:
            with self._store.write() as connection:
                operations.insert(connection, new, state)
                found = self._found(operations.find(connection, new.operation_id))
        except StoreError:
            # Whoever is told that it failed asks for it again: not where only the answer was lost.
            with self._store.read() as connection:
                written = operations.find(connection, new.operation_id)
            if written is None:
                raise
            found = written
        return self._begun(found)

    def _begun(self, found: StoredOperation) -> OperationView:
        view = self._seen(found)
        self._workers.call()
        return view

    def _is_over(self, operation_id: str) -> bool:
        view = self._last_seen.get(operation_id)
        return view is not None and view.is_over

    def _found(self, found: StoredOperation | None) -> StoredOperation:
        if found is None:
            raise OperationNotFoundError
        return found

    def _see(self, found: StoredOperation) -> OperationView:
        return self._last_seen.put(view_of(found, self._words))

    def _seen(self, found: StoredOperation) -> OperationView:
        return self._with_progress(self._see(found))

    def _with_progress(self, view: OperationView) -> OperationView:
        turn = self._workers.turn(view.operation_id)
        if turn is None or view.state is not OperationState.RUNNING:
            return view
        return replace(view, done=turn.done, failed=turn.failed)

    def _steer(
        self, operation_id: str, way: Callable[[StoredOperation], dict[str, Any]]
    ) -> OperationView:
        with self._workers.steering:
            with self._store.write() as connection:
                found = operations.find(connection, operation_id, for_update=True)
                operations.change(connection, operation_id, **way(self._found(found)))
                found = self._found(operations.find(connection, operation_id))
            turn = self._workers.turn(operation_id)
            if turn is not None:
                turn.hear(found.wanted) if turn.holds(found) else turn.lose()
        return self._begun(found)


def _own_plan(found: StoredOperation | None, actor: Actor) -> StoredOperation:
    """The plan, where it is the actor's own and was not started."""
    if found is None or found.actor.user_id != actor.user_id:
        raise OperationNotFoundError
    if found.state is not OperationState.PLANNED:
        raise PlanUsedError
    return found
