"""`--one-idr`: one IDR for many images."""

from ..errors import ImageError
from ..estimation.averages import Average
from ..idr import IDR
from .commands import Upscale
from .failures import Failure
from .streams import note, say


class OneIDR:
    """`--one-idr`: the average of what all images say, gathered in any order.

    Args:
        total: How many images there are.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._average = Average()
        self._first: Failure | None = None

    def take(self, outcome: IDR | Failure) -> None:
        """Takes the IDR of an image, or why it has none; upscaling it will say so again."""
        if isinstance(outcome, IDR):
            self._average.add(outcome)
        elif self._first is None:
            self._first = outcome

    def result(self, command: Upscale) -> IDR:
        """The IDR for all, saved if that was asked for.

        Raises:
            ImageError: If there was no image to estimate one from.
        """
        if not len(self._average):
            assert self._first is not None
            raise ImageError(f"no image has an IDR; of the first: {self._first.line}")
        idr = self._average.result()
        note(f"one IDR for all, from {len(self._average)} of {self._total} images")
        if command.save_idr:
            idr.save(command.save_idr, overwrite=command.overwrite)
            say(f"saved {command.save_idr}")
        return idr
