"""The view in the address."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pages.parts.address import View
from runmanager.filters import RunFilter
from runmanager.paging import PageRequest

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@given(
    st.builds(
        View,
        st.builds(
            RunFilter,
            search=words.map(str.strip),
            username=st.none() | words,
            workspace=st.none() | words,
        ),
        st.builds(PageRequest, st.integers(1, 10**9), st.integers(1, 200)),
    )
)
def test_a_view_comes_back_from_its_own_address(view: View) -> None:
    query = view.to_query()
    request, notices = PageRequest.from_query(query)
    assert View(RunFilter.from_query(query), request) == view
    assert notices == ()


def test_what_is_as_usual_is_left_out_of_the_address() -> None:
    assert View(RunFilter(), PageRequest()).to_query() == {}
