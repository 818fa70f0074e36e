"""``next`` and ``after``: a list that is read on from where it was, whatever has gone meanwhile."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.test_refusals import detail_of
from tests.conftest import every_shape
from tests.hosts import LONG_AGO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.conftest import Caller, OpenCaller
    from tests.hosts import HostWriter

NO_PLACE = "It must be what “next” of an earlier answer holds."
NO_SUCH_PLACE = "There is no such place in the list to read on from: "


def ids(answer: Any) -> list[str]:
    return [run["id"] for run in answer["runs"]]


def add(host: HostWriter, number: int = 11) -> list[str]:
    """Runs with ties, and without a time; as the list has them."""
    made = host.new_ids(number)
    for place, run in enumerate(made):
        created_at = None if place < 3 else LONG_AGO + timedelta(hours=place // 3)
        host.add_run(run, name="order", created_at=created_at)
    host.add_run(name="other", created_at=LONG_AGO)
    return made[::-1]


def pages(caller: Caller, **query: Any) -> Iterator[Any]:
    """Each answer in turn, as a script reads them."""
    answer = caller.json("/runs", **query)
    yield answer
    while answer["next"] is not None:
        answer = caller.json("/runs", after=answer["next"], **query)
        yield answer


@every_shape
def test_a_script_that_deletes_page_by_page_loses_no_run(host: HostWriter, caller: Caller) -> None:
    every: tuple[dict[str, str], ...] = ({}, {"search": "order"}, {"until": "2026-01-01T00:00Z"})
    for filters in every:
        host.execute("DELETE FROM run_metadata")
        add(host)
        expected = ids(caller.json("/runs", page_size=200, **filters))
        deleted: list[str] = []
        for answer in pages(caller, page_size=3, **filters):
            caller.delete(*ids(answer))
            deleted += ids(answer)
        assert deleted == expected, filters
        assert caller.json("/runs", **filters)["runs"] == [], filters


def test_all_are_read_in_either_order_by_time(host: HostWriter, caller: Caller) -> None:
    newest_first = add(host)
    for sort, expected in (("", newest_first), ("-started", newest_first),
                           ("started", newest_first[::-1])):  # fmt: skip
        read = list(pages(caller, page_size=4, sort=sort, search="order"))
        assert [run for answer in read for run in ids(answer)] == expected
        assert [(answer["total"], answer["page"]) for answer in read] == [(11, 1)] * 3


def test_it_reads_on_behind_any_page_and_with_another_size(
    host: HostWriter, caller: Caller
) -> None:
    expected = add(host)
    second = caller.json("/runs", search="order", page=2, page_size=3)
    third = caller.json("/runs", search="order", after=second["next"], page_size=2)
    assert ids(second) + ids(third) == expected[3:8]
    fourth = caller.json("/runs", search="order", after=third["next"], page=1)
    assert (ids(fourth), fourth["next"]) == (expected[8:], None)


def test_runs_that_come_while_it_is_read_are_not_read_twice_or_lost(
    host: HostWriter, caller: Caller
) -> None:
    expected = add(host)
    first = caller.json("/runs", search="order", page_size=5)
    host.add_run("newer", name="order", created_at=LONG_AGO + timedelta(days=1))
    rest = caller.json("/runs", search="order", after=first["next"])
    assert ids(first) + ids(rest) == expected


@pytest.mark.parametrize("kind", ["date", "timestamp", "text", "timestamptz"])
def test_a_place_is_one_however_the_host_keeps_its_times(
    host: HostWriter, open_caller: OpenCaller, kind: str
) -> None:
    host.execute(f"ALTER TABLE run_metadata ALTER created_at TYPE {kind} USING created_at::{kind}")
    for number, time in enumerate(("infinity", "2026-03-29", "2026-03-29", "-infinity", None)):
        host.add_run(f"r-{number}", created_at=time)
    caller = open_caller()
    read = [run for answer in pages(caller, page_size=1) for run in ids(answer)]
    assert sorted(read) == [f"r-{number}" for number in range(5)]
    assert read == ids(caller.json("/runs"))


def test_strange_ids_are_places_too(host: HostWriter, caller: Caller) -> None:
    strange = ["a b", "é🚚", '"', "%00", "a/b", "", "\\", "x" * 2000, "\x01\n"]
    for run in strange:
        host.add_run(run)
    assert sorted(run for answer in pages(caller, page_size=1) for run in ids(answer)) == sorted(
        strange
    )


def packed(*parts: object) -> str:
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


GARBAGE = (
    "x", "null", "%00", "%ff", "é", "=", "a" * 16_000, packed(), packed("r-1"), packed(None, None),
    packed(1, "r-1"), packed("2026-01-01", 1), packed("2026", "r-1", True), packed(["a"], "b"),
    packed("2026-01-01 00:00:00+00", "r\0"), packed("2026\0", "r"),
    packed(None, "r-1") + "=", packed(None, "r-1") + "%0A", packed(None, "r-12").replace("W", "-"),
    "W251bGwsIlx1ZDgwMCJd",  # half a character
    "WyBudWxsLCJyLTEiXQ",  # a blank more
)  # fmt: skip


def test_what_nobody_was_given_is_no_place(host: HostWriter, caller: Caller) -> None:
    host.add_run("r-1")
    for given in GARBAGE:
        (problem,) = detail_of(caller.client.get(f"/runs?after={given}"), 422)
        assert (problem["loc"], problem["msg"]) == (["query", "after"], NO_PLACE), given


def test_a_time_that_no_run_can_have_is_no_place(host: HostWriter, caller: Caller) -> None:
    host.add_run("r-1")
    for time in (
        "at noon", "2026-13-01 00:00:00+00", "", "9" * 400, "294277-01-01 00:00:00+00",
    ):  # fmt: skip
        detail = detail_of(caller.client.get(f"/runs?after={packed(time, 'r-1')}"), 422)
        assert detail.startswith(NO_SUCH_PLACE), time


def test_an_id_that_no_run_can_have_is_no_place(host: HostWriter, open_caller: OpenCaller) -> None:
    host.execute("ALTER TABLE run_metadata DROP thread_id, ADD thread_id uuid PRIMARY KEY")
    caller = open_caller()
    for time in ("2026-01-01 00:00:00+00", None):
        response = caller.client.get("/runs", params={"after": packed(time, "r-1")})
        assert detail_of(response, 422).startswith(NO_SUCH_PLACE)


def test_an_empty_place_is_none_and_a_longer_one_than_fits_is_refused(
    host: HostWriter, caller: Caller
) -> None:
    host.add_run("r-1")
    assert ids(caller.json("/runs?after=")) == ["r-1"]
    (problem,) = detail_of(caller.client.get(f"/runs?after={'a' * 16_001}"), 422)
    assert problem["loc"] == ["query", "after"]


def test_a_place_excludes_a_page_s_number_and_an_order_without_places(
    host: HostWriter, caller: Caller
) -> None:
    add(host)
    place = caller.json("/runs", page_size=2)["next"]
    for query, why in (
        ("page=2", "“after” and “page” exclude each other."),
        ("sort=name", "“after” reads on in the order of “started” only."),
        ("sort=-took", "“after” reads on in the order of “started” only."),
    ):
        (problem,) = detail_of(caller.client.get(f"/runs?after={place}&{query}"), 422)
        assert (problem["loc"], problem["msg"]) == (["query", "after"], why), query


def test_in_an_order_without_places_next_is_null(host: HostWriter, caller: Caller) -> None:
    add(host)
    for sort in ("name", "-name", "took", "user", "-status", "size"):
        answer = caller.json("/runs", sort=sort, page_size=2)
        assert (len(answer["runs"]), answer["next"]) == (2, None), sort
