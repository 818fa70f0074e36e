"""Brings the store's tables to the version that this Run Manager knows, or refuses a newer one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from runmanager.errors import StartError

if TYPE_CHECKING:
    import sqlalchemy as sa

VERSION_TABLE = "runmanager_version"
_SCRIPTS = Path(__file__).parent / "migrations"


def migrate(connection: sa.Connection, named: str) -> None:
    """Run the migrations that are missing, in the transaction of ``connection``.

    The caller lets nobody else do this at the same time. Raises StartError for a store that a newer
    Run Manager has written; ``named`` is what it is called there.
    """
    config = Config()
    # A percent sign would begin a reference to another option.
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    for version in context.get_current_heads():
        if version not in known:
            raise StartError(
                f"Cannot start: {named} was written by a newer Run Manager (its version is "
                f"{version}): update this Run Manager, or put back the backup from before."
            )
    command.upgrade(config, "head")
