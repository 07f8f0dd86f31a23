"""The hashes beside the way from a leaf to the root, for one leaf or several, found while all leaves go by once."""

from bisect import bisect_left
from collections.abc import Iterable

from gateway.audit.verify_tree import Counter, node_hash


class PathFinder:
    """Fed with the leaves of a tree in order, from `start` on, it keeps what the paths of these leaves need."""

    def __init__(self, start: Counter, *indexes: int) -> None:
        self.leaves = start.leaves
        self._levels = list(start.levels)
        self._first = indexes[0]
        self._indexes = sorted(indexes)
        self._found: dict[tuple[int, int], bytes] = {}
        """Nodes by number and level."""

    def feed(self, leaves: Iterable[bytes]) -> None:
        """The leaves that follow."""
        nodes = list(leaves)
        first = self.leaves
        self.leaves += len(nodes)
        level = 0
        while nodes:
            if level == len(self._levels):
                self._levels.append(None)
            held = self._levels[level]
            if held is not None:
                nodes.insert(0, held)
                first -= 1
            self._look(level, first, nodes)
            self._levels[level] = nodes[-1] if len(nodes) & 1 else None
            pairs = iter(nodes)
            nodes = [node_hash(left, right) for left, right in zip(pairs, pairs, strict=False)]
            first >>= 1
            level += 1

    def path(self, index: int | None = None) -> tuple[bytes, ...]:
        """The inclusion path in the tree of all leaves so far (RFC 9162, 2.1.3.1); of the first without one."""
        path = []
        node, last, level = self._first if index is None else index, self.leaves - 1, 0
        while last:
            whole = (node ^ 1) + 1 << level <= self.leaves
            if node & 1 or (node < last and whole):
                path.append(self._beside(node, level))
            elif node < last:
                path.append(self._ragged(level))
            node, last, level = node >> 1, last >> 1, level + 1
        return tuple(path)

    def _look(self, level: int, first: int, nodes: list[bytes]) -> None:
        """Keep the nodes beside those of the paths that are among these, whose numbers begin at `first`."""
        end = first + len(nodes)
        low = bisect_left(self._indexes, (first & ~1) << level)
        high = bisect_left(self._indexes, ((end - 1) | 1) + 1 << level)
        for index in self._indexes[low:high]:
            number = index >> level ^ 1
            if first <= number < end:
                self._found[number, level] = nodes[number - first]

    def _beside(self, node: int, level: int) -> bytes:
        found = self._found.get((node ^ 1, level))
        if found is None:
            # The last node of a level with an odd number of them: what it has a parent with did not come yet.
            found = self._levels[level]
            assert found is not None
        return found

    def _ragged(self, level: int) -> bytes:
        """The node at the right edge, made of the perfect subtrees below this level."""
        held = [each for each in self._levels[:level] if each is not None]
        total = held[0]
        for each in held[1:]:
            total = node_hash(each, total)
        return total
