"""Connected components, edge by edge: the strongest first, and an edge that must not join does not.

Records are numbered by age. A component is named by its smallest number, which is its anchor.
Without vetoes the order of the edges does not matter. With them it says where a component is cut:
whoever calls puts the edges that are to be followed first at the front.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

Edge = tuple[int, int]


class Veto(Protocol):
    """A reason not to join two components, which must still hold when either has grown."""

    def refuses(self, older: int, newer: int) -> str | None:
        """Why the components with these anchors must not be one, or None."""
        ...

    def joined(self, older: int, newer: int) -> None:
        """The component of the anchor `newer` is part of the one of `older` from now on."""
        ...


class Joining:
    """Components of the records 0 to `count` - 1, at first one for each record."""

    def __init__(self, count: int, vetoes: Sequence[Veto] = ()) -> None:
        self._parent = list(range(count))
        self._vetoes = vetoes

    def anchor(self, record: int) -> int:
        """The oldest record of the component that the record is in."""
        parent = self._parent
        while (above := parent[record]) != record:
            parent[record] = record = parent[above]  # halves the way for the next look
        return record

    def follow(
        self, edges: Iterable[Edge], vetoes: Sequence[Veto] | None = None
    ) -> list[str | None]:
        """Join what the edges connect, in their order; for each, why it was not followed.

        `vetoes` are the ones to ask, all unless given.
        """
        asked = self._vetoes if vetoes is None else vetoes
        return [self._follow(left, right, asked) for left, right in edges]

    def anchors(self) -> list[int]:
        """The anchor of each record."""
        return [self.anchor(record) for record in range(len(self._parent))]

    def _follow(self, left: int, right: int, asked: Sequence[Veto]) -> str | None:
        older, newer = self.anchor(left), self.anchor(right)
        if older == newer:
            return None
        if older > newer:
            older, newer = newer, older
        for veto in asked:
            if why := veto.refuses(older, newer):
                return why
        self._parent[newer] = older
        for veto in self._vetoes:
            veto.joined(older, newer)
        return None


class HeldApart:
    """Pairs of records that must never be in one component, each with the reason."""

    def __init__(self, pairs: Mapping[Edge, str]) -> None:
        self._reasons = dict(pairs)
        self._apart: dict[int, set[int]] = {}
        for left, right in pairs:
            self._apart.setdefault(left, set()).add(right)
            self._apart.setdefault(right, set()).add(left)
        # Only records that must be apart from another are followed on their way.
        self._members = {record: {record} for record in self._apart}

    def refuses(self, older: int, newer: int) -> str | None:
        """The reason of the first pair that would be in one component."""
        if not (here := self._members.get(older)) or not (there := self._members.get(newer)):
            return None
        pairs = [(min(a, b), max(a, b)) for a in here for b in self._apart[a] & there]
        return self._reasons[min(pairs)] if pairs else None

    def joined(self, older: int, newer: int) -> None:
        """Keep who is where."""
        if moved := self._members.pop(newer, None):
            self._members.setdefault(older, set()).update(moved)


class OneOfSystem:
    """Systems in which each record is another person: no component has two records of one."""

    def __init__(self, systems: Sequence[str | None]) -> None:
        """`systems` has for each record such a system, or None if it is of another."""
        self._systems = {n: {system} for n, system in enumerate(systems) if system is not None}

    def refuses(self, older: int, newer: int) -> str | None:
        """The first system that would have two."""
        both = self._systems.get(older, set()) & self._systems.get(newer, set())
        return f"it would join two records of {min(both)}" if both else None

    def joined(self, older: int, newer: int) -> None:
        """Keep which systems a component has."""
        if moved := self._systems.pop(newer, None):
            self._systems.setdefault(older, set()).update(moved)
