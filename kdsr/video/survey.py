"""What can be known of a film without decoding it: what is missing, and what cannot be written."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from .animations import AnimationFile
from .containers import Container
from .encoding import Encoding
from .reading import VideoFile
from .tracks import named
from .writing import VideoWriter


@dataclass(frozen=True)
class Survey:
    """What a film turns out to be."""

    missing: int = 0
    """Frames that its header promises and it has not."""
    refused: tuple[str, ...] = ()
    """Of sound and subtitles, in words: how many packets cannot be written."""

    def remarks(self) -> Iterator[str]:
        """One line for each."""
        for words in self.refused:
            yield f"damaged, left out: {words}"


def survey(
    film: VideoFile | AnimationFile, container: Container, encoding: Encoding | None
) -> Survey:
    """Reads all packets of a film once, and writes those of its sound to nowhere.

    Args:
        film: To read.
        container: What will be written.
        encoding: Of the pictures that will be written; None for animations.

    Raises:
        VideoError: If the sound can be written in no way: before the work, not after it.
    """
    if isinstance(film, AnimationFile):
        return Survey(film.missing())
    with film.open(pictures=False) as reading:
        if encoding is None:
            for _ in reading.packets({reading.video}):
                pass
            return Survey(reading.missing())
        # An index in front would be moved there, which nowhere does not bear.
        trial = replace(container, options={})
        with VideoWriter(Path(os.devnull), trial, encoding, reading.sound) as writer:
            for packet in reading.packets({reading.video, *reading.sound}):
                if packet.stream is not reading.video and packet.dts is not None:
                    writer.copy(reading.moved(packet))
        words = (f"{count} packets of {named(stream)}" for stream, count in writer.refused.items())
        return Survey(reading.missing(), tuple(words))
