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
from typing import Any
from urllib.parse import urlencode, urlsplit

from benchmarks.big_host import ADMIN, COMMON_WORDS
from runmanager.api.application import PREFIX
from tests.api.conftest import token


def main(url: str, number: int, seconds: float, runs: int) -> None:
    """List runs until the time is over, one page after the other."""
    dice = random.Random(1000 + number)  # noqa: S311  no secret
    authorization = token(ADMIN, exp=int(time.time()) + int(seconds) + 3600)
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
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
        began = time.monotonic()
        connection.request(
            "GET",
            f"{PREFIX}/runs?{urlencode(query)}",
            headers={"Authorization": f"Bearer {authorization}"},
        )
        answer = connection.getresponse()
        body = answer.read()
        took.append(time.monotonic() - began)
        if answer.status != 200 or not json.loads(body)["runs"]:
            wrong[f"API: {answer.status} for {query}"] += 1
    print(json.dumps({"seconds": took, "wrong": wrong}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
