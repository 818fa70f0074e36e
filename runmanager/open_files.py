"""How many files the process may have open.

A page's socket takes about four descriptors, and a login shell allows 1,024: without more, 250 open
pages would keep everybody else out.
"""

from __future__ import annotations

import logging
import resource
from contextlib import suppress

logger = logging.getLogger(__name__)

WANTED = 65_536
ENOUGH = 4_096


def allow_many() -> None:
    """Raise the limit to the highest that the process may have, and warn where that is low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
    if soft != resource.RLIM_INFINITY and soft < highest:
        # Some systems allow less than the limit that they name.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))
            soft = highest
    if soft != resource.RLIM_INFINITY and soft < ENOUGH:
        logger.warning(
            "Only %s files may be open, which is enough for about %s pages: raise the limit to "
            "%s or more (LimitNOFILE= of systemd, ulimit -Hn of a shell).", soft, soft // 4, ENOUGH,
        )  # fmt: skip
