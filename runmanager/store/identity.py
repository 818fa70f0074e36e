"""Which database a connection leads to, whatever its address, role or pooler."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

import sqlalchemy as sa


@dataclass(frozen=True)
class HostIdentity:
    """One database of one PostgreSQL cluster; it stays the same over restarts and standbys.

    ``system`` is the cluster's number, given once when it was made; None where the role may not
    read it. ``name`` is there to be told, and counts only where a number is missing.
    """

    system: str | None
    database: int
    name: str

    def is_same(self, other: HostIdentity) -> bool:
        """Whether both are the same database."""
        if self.database != other.database:
            return False
        if self.system is None or other.system is None:
            return self.name == other.name
        return self.system == other.system

    def to_text(self) -> str:
        """How it is written into the store."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """What ``to_text`` wrote."""
        return cls(**json.loads(text))


def read_identity(connection: sa.Connection) -> HostIdentity:
    """The identity of the PostgreSQL database that ``connection`` leads to; it only reads.

    PUBLIC may run pg_control_system() unless somebody took that away.
    """
    database = sa.table("pg_database", sa.column("oid"), sa.column("datname"))
    may_ask = sa.func.has_function_privilege("pg_catalog.pg_control_system()", "execute")
    row = connection.execute(
        sa.select(database.c.oid, database.c.datname, may_ask.label("may_ask")).where(
            database.c.datname == sa.func.current_database()
        )
    ).one()
    system = None
    if row.may_ask:
        control = sa.func.pg_control_system().table_valued(sa.column("system_identifier"))
        system = str(connection.execute(sa.select(control.c.system_identifier)).scalar_one())
    return HostIdentity(system=system, database=int(row.oid), name=row.datname)
