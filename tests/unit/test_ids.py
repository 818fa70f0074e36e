"""The file of the runs that a plan froze: what was written is read, and damage is told."""

from __future__ import annotations

import tracemalloc

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from runmanager.archive.ids import NAME, read_ids, writing_ids
from runmanager.errors import ArchiveError, FileMissingError
from runmanager.records import FrozenRun
from tests.folders import MemoryFolder

WHOLE = b"a\t\\N\t\\N\t\n"
# What PostgreSQL's text can hold.
_text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
_title = st.none() | _text.filter(str.strip)
frozen = st.builds(FrozenRun, _text, st.none() | _text, _title, st.booleans())


@given(st.lists(frozen))
def test_what_was_written_is_read_in_the_same_order(runs: list[FrozenRun]) -> None:
    folder = MemoryFolder()
    with writing_ids(folder) as ids:
        for run in runs:
            ids.add(run)
    assert list(read_ids(folder)) == runs


def test_a_line_of_copy_is_a_run_and_a_blank_name_is_none() -> None:
    folder = MemoryFolder()
    with writing_ids(folder) as ids:
        ids.copy([b"a\\tb\t2025-01-01 12:00:00+00\t  \t\n", b"\\\\N\t\\N\t\\N\to\n"])
    assert list(read_ids(folder)) == [
        FrozenRun("a\tb", "2025-01-01 12:00:00+00", None),
        FrozenRun("\\N", None, None, is_orphan=True),
    ]


def test_a_file_that_is_not_there_is_missing() -> None:
    with pytest.raises(FileMissingError):
        list(read_ids(MemoryFolder()))


def test_a_block_that_fails_leaves_no_file() -> None:
    folder = MemoryFolder()
    with pytest.raises(TypeError), writing_ids(folder) as ids:
        ids.copy([WHOLE, None])  # type: ignore[list-item]
    assert folder.names() == ()


@pytest.mark.parametrize(
    "content",
    [
        WHOLE[:-1],
        WHOLE,
        b"a\t\\N\t\\N\n\\.\n",
        b"\\N\t\\N\t\\N\t\n\\.\n",
        b"\n\\.\n",
        b"\\.\n" + WHOLE,
        b"\\.\n\\.\n",
    ],
    ids=["half a line", "no end", "no flag", "no id", "nothing", "after the end", "two ends"],
)
def test_what_is_no_list_of_runs_is_told(content: bytes) -> None:
    folder = MemoryFolder({NAME: zstandard.ZstdCompressor().compress(content)})
    with pytest.raises(ArchiveError, match=r"ids\.zst\) is damaged"):
        list(read_ids(folder))


def test_any_byte_that_is_missing_or_another_is_told() -> None:
    folder = MemoryFolder()
    runs = [FrozenRun(f"run {n}", "2025-01-01", "Order") for n in range(9_000)]
    with writing_ids(folder) as ids:
        for run in runs:
            ids.add(run)
    whole = folder.files[NAME]
    places = sorted({*range(0, len(whole), 97), *range(50), *range(len(whole) - 50, len(whole))})
    for content in [*(whole[:end] for end in places), whole + whole]:
        with pytest.raises(ArchiveError):
            list(read_ids(MemoryFolder({NAME: content})))
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 0x55
        found: list[FrozenRun] = []
        try:
            # A few bits say how much memory reading needs, and change nothing.
            found.extend(read_ids(MemoryFolder({NAME: bytes(changed)})))
            assert len(found) == len(runs)
        except ArchiveError:
            pass
        # Whatever was read before the damage was seen is true.
        assert found == runs[: len(found)]


def test_memory_does_not_grow_with_the_number_of_runs() -> None:
    folder = MemoryFolder()
    with writing_ids(folder) as ids:
        for number in range(50_000):
            ids.add(FrozenRun(f"{number * 7919:032x}", "2025-01-01 12:00:00+00", "Order"))
    tracemalloc.start()
    try:
        assert sum(1 for _run in read_ids(folder)) == 50_000
        _now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # All of them as texts are 3.9 MB, as records four times that.
    assert most < 3_000_000 + len(folder.files[NAME])
