"""docs/hosts/: every page is run, and built alike."""

from __future__ import annotations

import re

import pytest

from tests.docs.hosts.public_hosts import FOLDER, PUBLIC_HOSTS, PublicHost
from tests.docs.reading import DOCUMENTS

every_host = pytest.mark.parametrize("public_host", PUBLIC_HOSTS, ids=lambda one: one.name)


def test_every_page_has_its_application_in_the_tests() -> None:
    pages = {name for name in DOCUMENTS if name.startswith("docs/hosts/")}
    tested = {one.document.name for one in PUBLIC_HOSTS}
    assert pages == tested | {"docs/hosts/README.md"}
    for folder in ("schemas", "rows", "lists"):
        written = {path.stem for path in (FOLDER / folder).glob("*.sql")}
        assert written - {"traces"} <= {one.name for one in PUBLIC_HOSTS}


@every_host
def test_every_page_says_what_was_looked_at_and_what_does_not_work(
    public_host: PublicHost,
) -> None:
    headings = re.findall(r"^## (.+)$", public_host.document.prose, re.M)
    assert headings[0] == "What was looked at"
    assert headings[-3:] == ["Role", "What happens to each table", "What does not work"]


@every_host
def test_no_view_casts_an_id_or_a_time(public_host: PublicHost) -> None:
    for block in public_host.document.blocks("sql"):
        for column in ("thread_id", "created_at", "user_id", "workspace_id"):
            for cast in re.findall(rf"(\S+)::\w+ AS {column}\b", block):
                assert cast == "NULL"
