"""RunManager: one host's database, opened, with a small class for each subject."""

from __future__ import annotations

import logging
import secrets
import socket
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from runmanager.archive.places import KnownPlaces, Place, open_place
from runmanager.database import Database
from runmanager.deletion import DeletionWork
from runmanager.errors import DatabaseError, HostError, StartError
from runmanager.fingerprints import Fingerprints
from runmanager.host.catalog import read_host
from runmanager.queries.listing.limits import Limits
from runmanager.queries.triage.limits import TriageLimits
from runmanager.replica import Replica
from runmanager.restoring import PurgeWork, RestoreWork
from runmanager.service.access import Access
from runmanager.service.deleting import Deleting
from runmanager.service.finding import Finding
from runmanager.service.guessing import Guessing
from runmanager.service.keeping import Keeping, Schedule
from runmanager.service.operations import Operations
from runmanager.service.preferences import Preferences
from runmanager.service.reviewing import Reviewing
from runmanager.service.signing_in import Lifetimes, SigningIn
from runmanager.service.triage import Triage
from runmanager.service.ways_in import said_at_the_start
from runmanager.store import Store, read_identity
from runmanager.work.engine import Engine, Pace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import sqlalchemy as sa

    from runmanager.service.signing_in import CheckPassword
    from runmanager.settings import Settings

logger = logging.getLogger(__name__)


class RunManager:
    """Find, review and delete the runs of one host's database."""

    def __init__(
        self,
        access: Access,
        store: Store,
        place: Place,
        settings: Settings,
        signing_in: SigningIn,
        limits: Limits,
        replica: Replica | None = None,
        triage_limits: TriageLimits | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._access = access
        self._store = store
        self._replica = replica
        self.signing_in = signing_in
        self.finding = Finding(access, limits)
        self.triage = Triage(access, triage_limits or TriageLimits())
        self.reviewing = Reviewing(access)
        self.preferences = Preferences(access, store)
        deletion = DeletionWork(
            access.database,
            access.current_host,
            place.folder,
            self._note_deleted,
            settings.active_minutes,
            place.name,
            settings.archive_days,
        )
        self._engine = Engine(
            store,
            (
                deletion,
                RestoreWork(
                    access.database, access.current_host, place.folder, self._note_restored
                ),
                PurgeWork(access.database, access.current_host, store, place),
            ),
            socket.gethostname(),
            access.database.max_operations,
            pace,
        )
        self.deleting = Deleting(access, self._engine, place, settings)
        self._keeping = Keeping(access, self._engine, place)
        self._schedule = Schedule(access.database, store, place)
        self.operations = Operations(access, self._engine, self._keeping, self.deleting)

    @classmethod
    def open(
        cls,
        url: sa.URL,
        settings: Settings,
        check_password: CheckPassword,
        limits: Limits | None = None,
        triage_limits: TriageLimits | None = None,
    ) -> RunManager:
        """Connect, read the host's schema and open the store.

        ``check_password`` tells whether a password is the one that was hashed; ``limits`` say what
        ``browse`` does in a moment, ``triage_limits`` how far a filter's runs are counted one by
        one. Raises StartError, in one sentence, when the database cannot be reached or lacks
        something, or the store cannot be used.
        """
        with ExitStack() as opened:
            replica = None
            if settings.read_url is not None:
                replica = _open_replica(settings.read_url, settings)
                opened.callback(replica.close)
            database = Database(url, settings)
            opened.callback(database.close)
            with _named("DATABASE_URL"):
                access = Access(database, settings.conventions, replica)
                with database.read() as connection:
                    identity = read_identity(connection)
            store = Store.open(folder=settings.state_folder, url=settings.state_url, host=identity)
            opened.callback(store.close)
            place = KnownPlaces(open_place(settings, store, settings.state_folder), store)
            signing_in = _signing_in(access, store, settings, check_password)
            opened.pop_all()
        for sentence in access.host.privileges.sentences:
            logger.warning("%s", sentence)
        if access.host.privileges.sentences:
            logger.warning("`python -m runmanager check` prints all of it, with the SQL to paste.")
        # Whoever cannot be asked about now is told of when they sign in.
        with suppress(DatabaseError):
            for sentence in access.read_accounts(partial(said_at_the_start, settings)):
                logger.warning("%s", sentence)
        opened_manager = cls(
            access, store, place, settings, signing_in, limits or Limits(), replica, triage_limits
        )
        opened_manager._engine.start()
        opened_manager._schedule.start()
        return opened_manager

    def begin_closing(self) -> None:
        """Let every operation here end after its present batch; it returns at once."""
        self._engine.begin_closing()

    def close(self) -> None:
        """Let running operations end after their batch, then close every connection."""
        self.finding.close()
        self._schedule.close()
        self._engine.close()
        self._access.database.close()
        if self._replica is not None:
            self._replica.close()
        self._store.close()

    def _note_deleted(self, thread_ids: Iterable[str]) -> None:
        """Let nobody be shown what is gone: by the replica, or as a total from before."""
        if self._replica is not None:
            self._replica.remember(thread_ids)
        self.finding.forget_totals()

    def _note_restored(self, thread_ids: Iterable[str]) -> None:
        """Let nobody be told that what is back is gone."""
        if self._replica is not None:
            self._replica.forget(thread_ids)
        self.finding.forget_totals()

    def is_database_reachable(self) -> bool:
        """Whether the database answers; the one call that anybody may make."""
        try:
            with self._access.database.read():
                pass
            if self._replica is not None:
                with self._replica.read():
                    pass
        except DatabaseError:
            return False
        return True


def _signing_in(
    access: Access, store: Store, settings: Settings, check_password: CheckPassword
) -> SigningIn:
    # Without a key, which no process is without, sign-ins last as long as this object.
    fingerprints = Fingerprints(settings.cookie_keys or (secrets.token_hex(),))
    lifetimes = Lifetimes(settings.session_hours * 3600, settings.session_idle_minutes * 60)
    guessing = Guessing(store, fingerprints)
    return SigningIn(access, store, fingerprints, guessing, lifetimes, check_password)


def _open_replica(url: sa.URL, settings: Settings) -> Replica:
    """The replica, with its own look at the host's schema."""
    database = Database(url, settings)
    try:
        with _named("RUNMANAGER_READ_URL"):
            with database.read() as connection:
                host = read_host(connection, settings.conventions)
            return Replica(database, host)
    except StartError:
        database.close()
        raise


@contextmanager
def _named(variable: str) -> Iterator[None]:
    """Let what goes wrong inside name the setting whose database it is."""
    try:
        yield
    except DatabaseError as error:
        raise StartError(
            f"Cannot start: {error.message[0].lower()}{error.message[1:]} "
            f"It is the one that {variable} names."
        ) from None
    except HostError as error:
        further = (
            "`python -m runmanager check` says what was found there."
            if variable == "DATABASE_URL"
            else f"It is the database that {variable} names."
        )
        raise HostError(f"{error.message} {further}") from None
