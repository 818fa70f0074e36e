"""Words and numbers as the pages print them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages.parts import text
from runmanager.paging import Exactness, Total
from tests.pages.labels import markup_in, shown
from tests.texts import HOSTILE


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 runs"), (1, "1 run"), (2, "2 runs"), (12_408, "12,408 runs")]
)
def test_count(number: int, words: str) -> None:
    assert text.count(number, "run") == words


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (Total(12_408), "12,408"),
        (Total(10_000, Exactness.AT_LEAST), "10,000+"),
        (Total(2_649_000, Exactness.ABOUT), "about 2.6 M"),
        (Total(999_999, Exactness.ABOUT), "about 1,000,000"),
        (Total(126_834, Exactness.ABOUT), "about 130,000"),
        (Total(40, Exactness.ABOUT), "about 40"),
        (Total(0, Exactness.ABOUT), "about 0"),
    ],
)
def test_a_total_says_how_well_it_is_known(known: Total, words: str) -> None:
    assert text.total(known) == words


def test_count_takes_an_odd_plural() -> None:
    assert text.count(2, "entry", "entries") == "2 entries"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (1_449_000, "1.4 MB"),
        (200_000_000, "200.0 MB"),
        (3 * 10**12, "3.0 TB"),
        (5 * 10**15, "5000.0 TB"),
    ],
)
def test_size(number: int, words: str) -> None:
    assert text.size(number) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (0.449, "0.4 s"),
        (9.94, "9.9 s"),
        (12.4, "12 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3_600, "1 h"),
        (187_200, "2 d 4 h"),
        (86_405, "1 d 5 s"),
    ],
)
def test_duration(seconds: float, words: str) -> None:
    assert text.duration(seconds) == words


@pytest.mark.parametrize(
    ("words", "sentence"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_listed(words: list[str], sentence: str) -> None:
    assert text.listed(words) == sentence


@given(st.text() | st.text(st.sampled_from(":/_<>=~- \\[]()*`$#!.streamlitdefa")))
def test_a_label_says_its_words_and_nothing_of_them_is_markdown(words: str) -> None:
    label = text.plain(words)
    assert markup_in(label) == ""
    assert shown(label) == words.replace("\N{WORD JOINER}", "")


@pytest.mark.parametrize(
    "words",
    [
        *(one.text for one in HOSTILE),
        ":material_skull:",
        ":material/skull:",
        ":streamlit:",
        "a -> b <- c <-> d -- e >= f <= g ~= h",
    ],
    ids=ascii,
)
def test_nothing_hostile_in_a_label_becomes_a_link_a_picture_a_colour_or_an_icon(
    words: str,
) -> None:
    assert markup_in(text.plain(words)) == ""


@pytest.mark.parametrize(
    "label", ["*x*", "a_b", r"\:streamlit\:", r"\:material\_skull\:", r"a \-\> b", r"\\*"]
)
def test_markup_in_a_label_is_seen(label: str) -> None:
    assert markup_in(label)


def test_a_time_in_a_label_is_as_it_was() -> None:
    assert text.plain("25 Nov 14:38") == "25 Nov 14\\:38"
