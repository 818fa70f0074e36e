"""Database roles of the tests' own: those that docs/own-database.md makes, and bare ones."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg import sql

from tests.docs.reading import Document

if TYPE_CHECKING:
    import sqlalchemy as sa

    from tests.hosts import HostWriter, Shape

PAGE = Document("docs/own-database.md")
READER, DELETER = "runmanager_reader", "runmanager"
_GRANT = re.compile(r"GRANT .*?;")


def of_the_page(of: str, name: str, shape: Shape) -> str:
    """The SQL by which the page makes the role ``of``, for a host of this shape.

    It has another name here: roles belong to the whole server. What the page says to leave out or
    to add for a host is done.
    """
    text = re.sub(rf"\b(ROLE|TO) {of}\b", rf"\1 {name}", PAGE.block("sql", f"CREATE ROLE {of} "))
    if shape.is_minimal:
        lines = text.replace(", is_active", "").splitlines()
        absent = "checkpoints|workspaces|SEQUENCE"
        text = "\n".join(one for one in lines if not re.search(absent, one))
    elif shape.logs:
        text = re.sub(r" logs(_id_seq)? ", rf" {shape.logs}\1 ", text)
    if shape.schema != "public":
        text += f"GRANT USAGE ON SCHEMA {shape.schema} TO {name};"
    return text


def grants_in(sentence: str) -> list[str]:
    """The statements that a sentence says to run."""
    return _GRANT.findall(sentence)


@dataclass
class Roles:
    """Makes roles, and drops them with the test."""

    host: HostWriter
    _made: list[str] = field(default_factory=list)

    def url(self, name: str) -> sa.URL:
        """The address of the test's host for this role."""
        return self.host.url.set(username=name)

    def of_the_page(self, of: str) -> str:
        """The role that the page makes; its name here."""
        name = self._new_name()
        self.host.execute(of_the_page(of, name, self.host.shape))
        return name

    def bare(self, name: str | None = None, options: str = "") -> str:
        """A role that may sign in and nothing else."""
        name = self._new_name(name)
        role = sql.Identifier(name)
        self.host.connection.execute(sql.SQL("CREATE ROLE {} LOGIN " + options).format(role))
        return name

    def revoke(self, name: str, right: str) -> None:
        """Take a right, as GRANT names it, from a role."""
        self.host.execute(f"REVOKE {right} FROM {name}")

    def drop(self) -> None:
        """Drop every one of them."""
        for name in self._made:
            role = sql.Identifier(name)
            self.host.connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
            self.host.connection.execute(sql.SQL("DROP ROLE {}").format(role))

    def _new_name(self, name: str | None = None) -> str:
        name = name or f"role_{uuid.uuid4().hex[:12]}"
        self._made.append(name)
        return name
