"""Processes of the tests: copies of one that has read all of the program already.

Each would take a second or more to read it anew. The one that is copied has no threads.
"""

from __future__ import annotations

import multiprocessing

SERVED = multiprocessing.get_context("forkserver")
SERVED.set_forkserver_preload(["tests.killing", "tests.stores"])
