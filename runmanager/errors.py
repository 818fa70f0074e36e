"""Everything that can go wrong, as one tree.

    RunManagerError
    ├── StartError            the process cannot start
    │   ├── SettingsError     a setting is missing or malformed
    │   ├── HostError         the host's schema, or the role's rights in it, lack something needed
    │   └── DemoError         the demo's own PostgreSQL cannot run here
    ├── InvalidRequestError   the caller asked for something that cannot be
    │   └── TooManyToSortError     more runs than can be put in this order in time
    ├── OutdatedPlanError     the host's schema is not the one that was planned with
    ├── PlanUsedError         a kept plan starts one operation, once
    ├── PlanExpiredError      a kept plan is good for an hour
    ├── OperationStateError   the operation is not in a state in which this can be asked of it
    │   └── OtherVersionError      what was planned is a newer version's to do
    ├── InterruptedOperationError   an operation cannot go on now, and may well in a while
    ├── LeaseLostError        another instance works on the operation
    ├── ArchiveError          the archive's place did not do what was asked
    │   └── FileMissingError       a file of an operation is not there
    ├── InvalidTokenError     an API token that does not say who calls
    │   └── SignedOutError         a sign-in that is good no more
    ├── ProviderError         the identity provider did not say who signs in
    │   └── ProviderAwayError      it cannot be reached, or answers in a way that means nothing
    ├── WrongPasswordError    a name and password that do not belong together
    │   └── NoPasswordsError       no password belongs to any name here
    ├── TooManyError          more at once, or in a minute, than is served
    ├── NotAdminError         the actor may not (or no longer) act
    ├── NotFoundError         nothing here has this name
    │   ├── RunNotFoundError       no run and no trace with this id
    │   ├── UnknownNameError       a table, column or list that the host does not have
    │   ├── OperationNotFoundError
    │   └── CountNotFoundError
    ├── StoreError            Run Manager's own store did not do what was asked
    └── DatabaseError         the database did not do what was asked
        ├── DatabaseAwayError      it cannot be reached
        ├── DatabaseTooSlowError   it was stopped by a time limit
        ├── DatabaseDeniedError    the role may not do this
        │   └── MissingGrantError  it is known which GRANT it lacks
        └── SchemaChangedError     a table or column is not what it was

A class's docstring is its message where it is raised without one. A message says what happened,
to what, and what to do next; it never carries a DSN, a password or a traceback.
"""

from __future__ import annotations

import inspect


class RunManagerError(Exception):
    """Run Manager could not do this."""

    def __init__(self, message: str | None = None) -> None:
        self.message = message or inspect.cleandoc(type(self).__doc__ or "")
        super().__init__(self.message)


class StartError(RunManagerError):
    """Run Manager cannot start."""


class SettingsError(StartError):
    """A setting is missing or malformed."""


class HostError(StartError):
    """The database lacks a table, a column or a grant that Run Manager needs."""

    def __init__(self, message: str | None = None, sql: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        # What would mend this, and all else that the role lacks.
        self.sql = sql


class DemoError(StartError):
    """The demo's own PostgreSQL cannot run here: set DATABASE_URL to use yours."""


class InvalidRequestError(RunManagerError):
    """The request cannot be carried out as it was made."""


class TooManyToSortError(InvalidRequestError):
    """There are too many runs to sort. Narrow the filters, then sort again."""


class OutdatedPlanError(RunManagerError):
    """Not deleted: tables, keys, triggers or policies changed since the plan. Plan it again."""


class PlanUsedError(RunManagerError):
    """This plan was started already. See what became of it, or plan anew."""


class PlanExpiredError(RunManagerError):
    """This plan is more than an hour old: what it says may not be so any more. Plan anew."""


class OperationStateError(RunManagerError):
    """The operation is not in a state in which this can be asked of it. Look at it again."""


class OtherVersionError(OperationStateError):
    """A newer version of Run Manager planned this deletion. Let that one do it, or plan anew."""


class InterruptedOperationError(RunManagerError):
    """The operation cannot go on now. It is tried again by itself."""


class LeaseLostError(RunManagerError):
    """Another instance of Run Manager has taken this operation over, and goes on with it."""


class ArchiveError(RunManagerError):
    """The archive could not do this. Look at its folder or bucket, then try again."""


class FileMissingError(ArchiveError):
    """A file of this operation is no longer in the archive: it was purged, or removed by hand."""


class InvalidTokenError(RunManagerError):
    """The bearer token is missing or not valid: ask for a new one."""


class SignedOutError(InvalidTokenError):
    """This sign-in is no longer valid. Sign in again."""


class ProviderError(RunManagerError):
    """What the identity provider said cannot be accepted."""


class ProviderAwayError(ProviderError):
    """The identity provider cannot be reached. Try again in a moment."""


class WrongPasswordError(RunManagerError):
    """The name or the password is wrong."""


class NoPasswordsError(WrongPasswordError):
    """Nobody signs in with a password here: the users have none. The log says what is left."""


class TooManyError(RunManagerError):
    """Too many requests of this kind at once. Wait a moment, then try again."""

    def __init__(self, message: str | None = None, *, retry_after: int = 60) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotAdminError(RunManagerError):
    """Only active administrators can use Run Manager. Ask an administrator to give you the role."""


class NotFoundError(RunManagerError):
    """There is no such thing here."""


class RunNotFoundError(NotFoundError):
    """Run not found"""


class UnknownNameError(NotFoundError):
    """The database has no table, column or list of this name."""


class OperationNotFoundError(NotFoundError):
    """There is no operation with this id, or it is no longer known."""


class CountNotFoundError(NotFoundError):
    """This count is no longer known here: start it again."""


class StoreError(RunManagerError):
    """Run Manager's own store could not do this. Try again in a moment."""


class DatabaseError(RunManagerError):
    """The database could not do this. Try again; if it stays so, look at the database's log."""


class DatabaseAwayError(DatabaseError):
    """The database cannot be reached. Check that it is running, then try again."""


class DatabaseTooSlowError(DatabaseError):
    """The database took too long and was stopped. Narrow the filters, or try again."""


class DatabaseDeniedError(DatabaseError):
    """The database role may not do this. Grant what docs/own-database.md lists, then try again."""


class MissingGrantError(DatabaseDeniedError):
    """The database role lacks a grant. Make those that docs/own-database.md lists."""


class SchemaChangedError(DatabaseError):
    """The database's tables have changed, or do not fit together. Try again in a moment."""
