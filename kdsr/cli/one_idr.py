"""`--one-idr`: one look for a roll, the average of what each image says."""

import argparse

from ..errors import ImageError
from ..estimation.averages import Average
from ..idr import IDR
from .failures import Failure
from .streams import note, say


class OneIDR:
    """Gathers the IDRs of all images, in any order.

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

    def result(self, arguments: argparse.Namespace) -> IDR:
        """The IDR for all, saved if that was asked for.

        Raises:
            ImageError: If there was no image to estimate one from.
        """
        if not len(self._average):
            assert self._first is not None
            raise ImageError(f"no image has an IDR; of the first: {self._first.line}")
        idr = self._average.result()
        note(f"one IDR for all, from {len(self._average)} of {self._total} images")
        if arguments.save_idr:
            idr.save(arguments.save_idr, overwrite=arguments.overwrite)
            say(f"saved {arguments.save_idr}")
        return idr
