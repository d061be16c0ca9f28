"""The last step of a video: its segments and the source's other streams -> a file."""

from collections.abc import Callable
from fractions import Fraction
from heapq import merge
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from .animation_writing import Animation, write_gif, write_webp
from .animations import AnimationFile
from .containers import Container
from .encoding import Coded, Encoding
from .film import Frame
from .reading import VideoFile
from .store import Store
from .writing import VideoWriter

if TYPE_CHECKING:
    import av


def join_video(
    path: Path,
    store: Store,
    film: VideoFile | AnimationFile,
    container: Container,
    encoding: Encoding,
    tell: Callable[[int], None],
) -> int:
    """Copies packets: those of the segments, and those of the film's other streams.

    Args:
        path: To write, of any name.
        store: Of all segments.
        film: The source.
        container: What to write.
        encoding: Of the segments.
        tell: Called with how many frames are done.

    Returns:
        How many there are.

    Raises:
        VideoError: If it cannot be written, or a segment is damaged.
    """
    done = 0

    def time(item: "Coded | av.Packet") -> Fraction:
        if isinstance(item, Coded):
            return item.shown * encoding.tick
        return (item.dts or 0) * (item.time_base or encoding.tick)

    with (
        film.open(pictures=False) as reading,
        VideoWriter(path, container, encoding, reading.sound) as writer,
    ):
        writer.mark(reading.chapters)
        others = (item for item in reading if not isinstance(item, Frame))
        for item in merge(store.all_frames(), others, key=time):
            if isinstance(item, Coded):
                writer.write([item])
                done += 1
                tell(done)
            else:
                writer.copy(item)
    return done


def join_animation(
    path: Path, store: Store, container: Container, tick: Fraction, plays: int, quality: int
) -> int:
    """Codes the pictures of the segments.

    Args:
        path: To write, of any name.
        store: Of all segments.
        container: GIF or WebP.
        tick: Seconds; the unit of the time stamps.
        plays: How often it is shown; 0 is without end.
        quality: 1-100; of WebP.

    Returns:
        How many frames there are.

    Raises:
        VideoError: If it cannot be written, or a segment is damaged.
    """
    times = [(picture.shown, picture.duration) for picture in store.all_frames()]
    ticks = [after - before for (before, _), (after, _) in pairwise(times)]
    durations = [tick * count for count in (*ticks, times[-1][1])]
    animation = Animation(store.all_frames(), durations, plays)
    if container.format == "gif":
        write_gif(path, animation)
    else:
        write_webp(path, animation, quality)
    return len(times)
