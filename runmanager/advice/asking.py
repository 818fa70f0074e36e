"""The database that the environment names, for the commands that look at it and change nothing."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runmanager.database import Database
from runmanager.errors import SettingsError
from runmanager.setting_values import KEY_BYTES
from runmanager.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import sqlalchemy as sa

# What is read of the environment: whoever asks may not be allowed to read the service's secrets.
_VARIABLES = {
    "DATABASE_URL",
    "DATABASE_URL_FILE",
    "CREDENTIALS_DIRECTORY",
    "RUNMANAGER_TRACE_TABLES",
    "RUNMANAGER_RUNNING_WORDS",
    "RUNMANAGER_TIMESTAMP_ZONE",
    "RUNMANAGER_STATEMENT_TIMEOUT",
    "RUNMANAGER_LOCK_TIMEOUT",
    "RUNMANAGER_POOL_SIZE",
}


@contextmanager
def asked_database(environ: Mapping[str, str]) -> Iterator[tuple[sa.Connection, Settings]]:
    """One READ ONLY transaction in the database that DATABASE_URL names, and the settings for it.

    Raises SettingsError or DatabaseError, in one sentence each.
    """
    # No cookie is signed here: any key will do.
    key = {"RUNMANAGER_COOKIE_KEY": secrets.token_hex(KEY_BYTES)}
    needed = {name: text for name, text in environ.items() if name in _VARIABLES}
    settings = Settings.from_environment(needed | key)
    if settings.database_url is None:
        raise SettingsError(
            "DATABASE_URL is needed: it names the database that is to be looked at."
        )
    database = Database(settings.database_url, settings)
    try:
        with database.read() as connection:
            yield connection, settings
    finally:
        database.close()
