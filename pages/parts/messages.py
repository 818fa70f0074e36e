"""The one place that turns errors into what a page says."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, cast

import streamlit as st

from runmanager.errors import (
    DatabaseDeniedError,
    DatabaseError,
    HostError,
    NotAdminError,
    OutdatedPlanError,
    RunManagerError,
    RunNotFoundError,
)
from runmanager.logs import error_id, told

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)


def say_unexpected(error: Exception) -> bool:
    """Say in Streamlit's place that a page ended by an error; that it is said.

    Streamlit has logged the error by then, under the same id.
    """
    with st.container(border=True, key=f"unexpected-{error_id(error)}"):
        st.markdown("**This did not work**")
        st.text(
            "Run Manager met an error of its own. Reload the page; if it comes again, look for "
            f"its id in the log (error {error_id(error)})."
        )
    return True


def shown_errors(
    *, but: tuple[type[RunManagerError], ...] = ()
) -> AbstractContextManager[None, None]:
    """Say what went wrong inside the block, offer what can be done next, and end the script run.

    Errors of the classes ``but`` are left to the caller.
    """
    return cast("AbstractContextManager[None, None]", _shown_errors(but))


@contextmanager
def _shown_errors(but: tuple[type[RunManagerError], ...]) -> Iterator[None]:
    try:
        yield
    except but:
        raise
    except NotAdminError as error:
        _say("You cannot use Run Manager", error)
        st.stop()
    except RunNotFoundError as error:
        with _said("There is nothing to show", error):
            st.page_link("runs.py", label="Back to all runs", icon=":material/arrow_back:")
        st.stop()
    except DatabaseDeniedError as error:
        with _said("The database role may not do this", error):
            st.button("Try again", key="try_again", icon=":material/refresh:", type="primary")
        st.stop()
    except DatabaseError as error:
        with _said("The database did not answer", error):
            # Any rerun asks anew: the connection pool recovers by itself.
            st.button("Try again", key="try_again", icon=":material/refresh:", type="primary")
        st.stop()
    except OutdatedPlanError as error:
        with _said("The database has changed", error):
            st.button("Plan it again", key="try_again", icon=":material/refresh:", type="primary")
        st.stop()
    except HostError as error:
        with _said("The database lacks something", error):
            st.button("Try again", key="try_again", icon=":material/refresh:", type="primary")
        st.stop()
    except RunManagerError as error:
        _say("This did not work", error)
        st.stop()


def draw_denied(place: str, sentence: str) -> None:
    """Say quietly, in the place of what the database role may not do, which GRANT it lacks.

    ``place`` is a word for it that no other place on the page has.
    """
    with st.container(key=f"denied-{place}"):
        # It names the host's tables: text, never Markdown.
        st.text(sentence)


def _say(heading: str, error: RunManagerError) -> None:
    with _said(heading, error):
        pass


@contextmanager
def _said(heading: str, error: RunManagerError) -> Iterator[None]:
    """Say what happened; what is drawn inside stands below, in the same frame."""
    with st.container(border=True, key="message"):
        st.markdown(f"**{heading}**")
        # The message may name a table or a run of the host's: text, never Markdown.
        st.text(told(logger, error))
        yield
