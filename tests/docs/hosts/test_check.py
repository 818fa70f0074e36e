"""docs/hosts/: ``python -m runmanager check`` finds nothing amiss once a page was followed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.processes import ROOT

if TYPE_CHECKING:
    from tests.docs.hosts.public_hosts import PublicDatabase


def tables_below(heading: str, printed: str) -> set[str]:
    """The tables that what was printed names below a heading."""
    section = re.search(rf"^{heading}\n((?:  .*\n)+)", printed, re.M)
    return set(re.findall(r"^  (\w+)\b", section[1], re.M)) if section else set()


def test_it_names_what_goes_and_what_is_left_behind_as_the_page_does(host: PublicDatabase) -> None:
    settings = {
        "DATABASE_URL": host.role_url.render_as_string(hide_password=False),
        "RUNMANAGER_TRACE_TABLES": ",".join(host.of.trace_tables),
    }
    done = subprocess.run(
        [sys.executable, "-m", "runmanager", "check"],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    behind = host.behind_views()
    told = host.of.told()
    for heading, words in (("GOES WITH A RUN", "goes"), ("IS LEFT BEHIND", "left behind")):
        named = {behind.get(table, table) for table in tables_below(heading, done.stdout)}
        assert named == {table for table, what in told.items() if what == words}
