"""Who does what next: which items are to do, in hand and done. Knows nothing of machines."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")

LARGEST_PORTION = 64
"""Items. Asking for the next portion then costs nothing beside doing it."""
ATTEMPTS = 3
"""How often an item is tried whose workers die."""
_PORTIONS = 4  # for each worker, of what is left


class Tasks(Generic[Item]):
    """Hands items out in portions, each to one worker, until all are done.

    Portions get smaller towards the end, so that nobody waits behind a slow item while others have
    nothing to do. What a dead worker had in hand is handed out again, item by item and last: if one
    of them is what kills workers, it takes no others with it.

    Args:
        items: All there is to do, each once.
        workers: How many there are.
    """

    def __init__(self, items: Iterable[Item], workers: int) -> None:
        self._waiting = deque(items)
        self._suspects: deque[Item] = deque()
        self._in_hand: set[Item] = set()
        self._attempts: Counter[Item] = Counter()
        self._share = _PORTIONS * max(workers, 1)

    @property
    def over(self) -> bool:
        """Whether all is done."""
        return not (self._waiting or self._suspects or self._in_hand)

    def take(self) -> list[Item]:
        """The next portion; empty if all that is not done is in hand."""
        if self._waiting:
            size = min(max(len(self._waiting) // self._share, 1), LARGEST_PORTION)
            portion = [self._waiting.popleft() for _ in range(size)]
        else:
            portion = [self._suspects.popleft()] if self._suspects else []
        self._in_hand.update(portion)
        return portion

    def done(self, item: Item) -> None:
        """An item was done, or will never be."""
        self._in_hand.remove(item)

    def put_back(self, items: Sequence[Item]) -> list[Item]:
        """Takes back what a worker had in hand when it died.

        Returns:
            Those of which it was the last attempt; they count as done.
        """
        given_up = []
        for item in items:
            self._in_hand.remove(item)
            self._attempts[item] += 1
            if self._attempts[item] < ATTEMPTS:
                self._suspects.append(item)
            else:
                given_up.append(item)
        return given_up
