"""Runs over time above the grid: a stretch of it that is drawn over with the mouse, or a bar that
is clicked, becomes the time that is asked for. Drawn after the list.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.parts import filtering, later, own_choices, run_list, session, styles, times
from runmanager.errors import RunManagerError
from runmanager.filters import KINDS
from runmanager.records import Accuracy

if TYPE_CHECKING:
    from pages.parts.address import View
    from runmanager.records import Actor, Histogram

PREFERENCE = "histogram"
BUCKETS = 90
HEIGHT = 78
# From the bottom up: what went wrong is easiest to compare on the ground.
_STACKED = ("failed", "paused", "running", "other", "completed")
_SAID = {
    Accuracy.SAMPLED: " · sampled",
    Accuracy.AT_LEAST: " · at least: of the newest runs",
}
_DAY = 86_400


@dataclass
class _Shown:
    """Whether it is folded away, None before the admin's own choice was read; and what is drawn.

    ``edges`` are the times between its buckets, in seconds since 1970.
    """

    is_folded: bool | None = None
    key: str = ""
    drawn: int = 0
    about: object = None
    edges: tuple[float, ...] = ()


def is_folded(actor: Actor) -> bool:
    """Whether the admin has folded it away, in this browser or another."""
    held = session.slot(_Shown)
    if held.is_folded is None:
        held.is_folded = own_choices.find(actor, PREFERENCE) == "folded"
    return held.is_folded


def draw_fold(actor: Actor) -> None:
    """Draw the button that folds it away, or brings it back."""
    folded = is_folded(actor)
    st.button(
        "Show chart" if folded else "Hide chart",
        key="fold_histogram",
        icon=":material/bar_chart:",
        type="tertiary",
        help="Runs over time, above the list",
        on_click=_fold,
        args=(actor,),
    )


def _fold(actor: Actor) -> None:
    held = session.slot(_Shown)
    held.is_folded = not held.is_folded
    own_choices.keep(actor, PREFERENCE, "folded" if held.is_folded else "")
    # Its place is the page's, not a part's.
    st.rerun()


def draw_histogram(actor: Actor, view: View) -> None:
    """Draw the runs of the filter over time."""
    zone = times.viewer_zone()
    about = view.run_filter, run_list.readings(), zone.key
    ask = partial(session.service().triage.histogram, actor, view.run_filter, BUCKETS, zone)
    try:
        found = later.answer("histogram", about, ask)
    except later.NotYetError:
        later.catch_up()
        return
    except RunManagerError as error:
        with st.container(key="times-noted"):
            st.text(f"Could not look at the times. {error.message}")
        return
    if found.buckets:
        _draw(found, about)
    else:
        with st.container(key="times-noted"):
            st.text("No times to show.")


def _draw(found: Histogram, about: object) -> None:
    held = session.slot(_Shown)
    if held.about != about:
        # Another chart: the stretch that was chosen in the last one does not belong to it.
        held.about, held.drawn = about, held.drawn + 1
        held.key = f"histogram-{held.drawn}"
        edges = (*(bucket.start for bucket in found.buckets), found.buckets[-1].end)
        held.edges = tuple(edge.timestamp() for edge in edges)
    st.vega_lite_chart(
        _spec(found),
        key=held.key,
        on_select=_chosen,
        height=HEIGHT,
        width="stretch",
        alt=_alternative(found),
    )


def _spec(found: Histogram) -> dict[str, Any]:
    """The chart. Every text in it is our own; the rectangles stand on each other by our sums."""
    zone = times.viewer_zone()
    span = (found.buckets[-1].end - found.buckets[0].start).total_seconds()
    clock = "%H:%M" if span <= 2 * _DAY else "%d %b" if span > 6 * _DAY else "%a %H:%M"
    # Ten marks in a week would be at half days, and each day would be said twice.
    marks = 6 if 6 * _DAY < span <= 8 * _DAY else 10
    rows = []
    for bucket in found.buckets:
        below, total = 0, sum(bucket.runs.values())
        names = {kind: f"{bucket.runs[kind]:,}" for kind in KINDS}
        when = f"{times.short_moment(bucket.start, zone)} – {times.short_moment(bucket.end, zone)}"  # noqa: RUF001
        for kind in _STACKED:
            if bucket.runs[kind]:
                rows.append(
                    {
                        "start": _milliseconds(bucket.start),
                        "end": _milliseconds(bucket.end),
                        "kind": kind,
                        "below": below,
                        "above": below + bucket.runs[kind],
                        "when": when,
                        "all": f"{total:,}{_SAID.get(found.accuracy, '')}",
                    }
                    | names
                )
                below += bucket.runs[kind]
    ends = [_milliseconds(found.buckets[0].start), _milliseconds(found.buckets[-1].end)]
    colors = {"domain": list(_STACKED), "range": [styles.color(one) for one in _STACKED]}
    small = {"labelFontSize": 10, "grid": False, "title": None}
    return {
        "data": {"values": rows},
        # A picture with one sentence of words: as SVG its single marks would be read out nameless.
        "usermeta": {"embedOptions": {"renderer": "canvas"}},
        "padding": {"left": 2, "right": 2, "top": 3, "bottom": 3},
        "mark": {"type": "rect", "cursor": "crosshair"},
        "params": [
            {"name": "brush", "select": {"type": "interval", "encodings": ["x"]}},
            {"name": "bar", "select": {"type": "point", "fields": ["start", "end"]}},
        ],
        "encoding": {
            "x": {
                "field": "start",
                "type": "temporal",
                "scale": {"domain": ends},
                "axis": {
                    **small,
                    "tickCount": min(marks, len(found.buckets)),
                    "tickSize": 3,
                    "labelPadding": 2,
                    "format": clock,
                    "labelOverlap": True,
                },
            },
            "x2": {"field": "end"},
            "y": {
                "field": "below",
                "type": "quantitative",
                "axis": {
                    **small,
                    "tickCount": 2,
                    "tickMinStep": 1,
                    "domain": False,
                    "format": "~s",
                },
            },
            "y2": {"field": "above"},
            "color": {
                "field": "kind",
                "type": "nominal",
                "legend": None,
                "scale": colors,
            },
            "tooltip": [
                {"field": "when", "title": "started"},
                *({"field": kind, "title": kind} for kind in _STACKED),
                {"field": "all", "title": "runs"},
            ],
        },
    }


def _milliseconds(moment: datetime) -> int:
    """As the chart counts time; it draws by the browser's own clock, which is the viewer's."""
    return round(moment.timestamp() * 1000)


def _alternative(found: Histogram) -> str:
    counts = {kind: sum(bucket.runs[kind] for bucket in found.buckets) for kind in KINDS}
    said = ", ".join(f"{number:,} {kind}" for kind, number in counts.items() if number)
    return f"Runs over time by status: {said}{_SAID.get(found.accuracy, '')}"


def _chosen() -> None:
    """Ask for the time of the stretch that was drawn over, or of the bar that was clicked."""
    held = session.slot(_Shown)
    event = session.value(held.key)
    selected: Any = event["selection"] if event else {}  # type: ignore[index]  # no type for it
    stretch = (selected.get("brush") or {}).get("start")
    bars = selected.get("bar") or []
    if bars:
        # By its edges as they were counted: the chart has them to the millisecond.
        ends = _whole_buckets(bars[-1]["start"] / 1000, bars[-1]["end"] / 1000, held.edges)
    elif stretch:
        ends = _whole_buckets(min(stretch) / 1000, max(stretch) / 1000, held.edges)
    else:
        return
    since, until = (datetime.fromtimestamp(end, UTC) for end in ends)
    filtering.change({"since": since, "until": until})


def _whole_buckets(first: float, last: float, edges: tuple[float, ...]) -> tuple[float, float]:
    """The buckets of which the stretch has most, one at least: nobody draws to the second."""
    start = min(range(len(edges) - 1), key=lambda number: abs(edges[number] - first))
    end = min(range(1, len(edges)), key=lambda number: abs(edges[number] - last))
    return edges[start], edges[max(end, start + 1)]
