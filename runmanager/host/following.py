"""Which tables go with a run: those that hold its id by name, and what follows by foreign keys.

A foreign key with ON DELETE CASCADE is followed to any depth, because the database follows it too.
One that clears or holds is kept for the plan, which says so. Nothing is asked of the database here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runmanager.reach import reached

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from runmanager.host.relations import Families, ForeignKey

CASCADE = "c"


@dataclass
class Node:
    """A table whose rows go with runs, by the oid of the real one.

    ``key`` is the number of the column that holds a run's id. ``is_named``: its rows go whatever
    its foreign keys say. ``links`` are the keys by which rows go that hold no run's id.
    """

    oid: int
    key: int | None
    is_named: bool
    links: list[ForeignKey] = field(default_factory=list)


@dataclass(frozen=True)
class Followed:
    """What goes, by the oid of its real table, and the keys that refer to it and take nothing.

    ``homes`` has the table that the rows of a partition, or of an heir, are counted in. ``others``
    are the keys that clear or hold, and those by which runs hang on runs. ``units`` are the oids in
    the order in which rows can be deleted: what refers to a row goes before it, the runs' own as
    late as can be, and tables that refer to each other in a circle come together.
    """

    nodes: Mapping[int, Node]
    homes: Mapping[int, int]
    others: tuple[ForeignKey, ...]
    units: tuple[tuple[int, ...], ...]


def follow(
    runs: Node,
    named: Collection[Node],
    keys: Collection[ForeignKey],
    families: Families,
) -> Followed:
    """Everything that goes with the rows of ``runs`` and of the ``named`` tables."""
    nodes = {node.oid: node for node in (runs, *named)}
    referring_or_referred = {oid for key in keys for oid in (key.table, key.to_table)}
    homes = _homes(nodes, families, referring_or_referred | families.parents.keys())
    referring: dict[int, list[ForeignKey]] = {}
    for key in keys:
        referring.setdefault(homes[key.to_table], []).append(key)
    others: list[ForeignKey] = []
    between: list[tuple[int, int]] = []
    waiting = list(nodes)
    while waiting:
        parent = waiting.pop(0)
        for key in referring.get(parent, ()):
            home = homes[key.table]
            between.append((home, parent))
            known = nodes.get(home)
            takes = key.on_delete == CASCADE or (known is not None and known.is_named)
            if home == runs.oid or not takes:
                others.append(key)
                continue
            if known is None:
                known = nodes[home] = Node(home, None, is_named=False)
                waiting.append(home)
            # A foreign key takes rows of the table itself, a DELETE those of its heirs too.
            if known.key is None and not known.is_named and home not in families.with_heirs:
                known.key = _run_id(key, known, runs)
            known.links.append(key)
    _drop_implied(nodes)
    return Followed(nodes, homes, tuple(others), _units(nodes, between))


def _homes(nodes: Collection[int], families: Families, oids: Iterable[int]) -> dict[int, int]:
    """Where the rows of each table are counted: with what goes by name, else with its root."""
    found = {}
    for oid in oids:
        above = [one for one in families.ancestors(oid) if one in nodes]
        found[oid] = oid if oid in nodes else min(above, default=families.root(oid))
    return found


def _run_id(key: ForeignKey, node: Node, runs: Node) -> int | None:
    """The column of ``node`` that holds a run's id by this key; None where it holds another."""
    is_plain = key.table == node.oid and key.to_table == runs.oid
    is_id = runs.key is not None and key.to_columns == (runs.key,)
    return key.columns[0] if is_plain and is_id else None


def _drop_implied(nodes: Mapping[int, Node]) -> None:
    """Leave out each link whose rows hold the id of the same run, so that the key finds them."""
    by_key_only = {oid for oid, node in nodes.items() if node.key is not None}
    while True:
        needed = {
            oid: [key for key in nodes[oid].links if not _is_implied(key, nodes, by_key_only)]
            for oid in by_key_only
        }
        still = {oid for oid in by_key_only if not needed[oid]}
        if still == by_key_only:
            break
        by_key_only = still
    for node in nodes.values():
        node.links = [key for key in node.links if not _is_implied(key, nodes, by_key_only)]


def _is_implied(key: ForeignKey, nodes: Mapping[int, Node], by_key_only: Collection[int]) -> bool:
    child, parent = nodes.get(key.table), nodes.get(key.to_table)
    return (
        child is not None
        and parent is not None
        and parent.oid in by_key_only
        and (child.key, parent.key) in set(zip(key.columns, key.to_columns, strict=True))
    )


def _units(nodes: Iterable[int], between: Iterable[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    refers: dict[int, set[int]] = {oid: set() for oid in nodes}
    for child, parent in between:
        if child in refers:
            refers[child].add(parent)
    reach = {oid: reached(oid, refers) for oid in refers}
    found: list[tuple[int, ...]] = []
    # A run's own row goes after its traces, and comes back before them: a host may make it itself
    # for traces that have none. Of a circle, which goes at once, it comes back first too.
    own, *others = refers
    left = [*others, own]
    while left:
        for oid in left:
            circle = {one for one in left if one in reach[oid] and oid in reach[one]} | {oid}
            unit = [one for one in refers if one in circle]
            if not any(oid in reach[one] for one in left if one not in unit):
                break
        found.append(tuple(unit))
        left = [one for one in left if one not in unit]
    return tuple(found)
