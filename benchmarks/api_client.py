"""One script that lists runs by the API without a pause, in a process of its own.

``benchmarks.sessions`` starts it as ``python -m benchmarks.api_client URL NUMBER SECONDS RUNS``,
waits for its line "ready", sends it an empty line, and reads the JSON that it prints in the end:
the seconds of each answer, and what was wrong.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from benchmarks.big_host import ADMIN, COMMON_WORDS
from runmanager.api.application import PREFIX
from tests.api.conftest import token

if TYPE_CHECKING:
    from collections.abc import Mapping


class ApiClient:
    """An admin's script: one connection, kept, and a token that lasts longer than the program."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        authorization = token(ADMIN, exp=int(time.time()) + 86_400)
        self._headers = {"Authorization": f"Bearer {authorization}"}

    def list_runs(self, query: Mapping[str, Any]) -> tuple[float, int, Any]:
        """The seconds that one page took, its status, and its runs where that is 200."""
        began = time.perf_counter()
        path = f"{PREFIX}/runs?{urlencode(query)}"
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        took = time.perf_counter() - began
        return took, answer.status, json.loads(body)["runs"] if answer.status == 200 else []


def main(url: str, number: int, seconds: float, runs: int) -> None:
    """List runs until the time is over, one page after the other."""
    dice = random.Random(1000 + number)  # noqa: S311  no secret
    client = ApiClient(url)
    # Its own start would take the time of those it is measured with.
    print("ready", flush=True)
    sys.stdin.readline()
    until = time.monotonic() + seconds
    took: list[float] = []
    wrong: Counter[str] = Counter()
    while time.monotonic() < until:
        query: dict[str, Any] = {"page": dice.randint(1, min(300, runs // 50)), "page_size": 50}
        if dice.random() < 0.5:
            query |= {"page": 1} | dice.choice(
                [
                    {"search": dice.choice(COMMON_WORDS)},
                    {"username": f"user {dice.randint(1, 380):03}"},
                ]
            )
        seconds_taken, status, found = client.list_runs(query)
        took.append(seconds_taken)
        if not found:
            wrong[f"API: {status} for {query}"] += 1
    print(json.dumps({"seconds": took, "wrong": wrong}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
