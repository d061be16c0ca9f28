"""Files are read ahead and written behind, so that the network need not wait for them."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar, cast

from ..memory import is_out_of_memory

Item = TypeVar("Item")
Read = TypeVar("Read")
Made = TypeVar("Made")
Done = TypeVar("Done")


def pipelined(
    items: Sequence[Item],
    read: Callable[[Item], Read],
    work: Callable[[Item, Read], Made],
    write: Callable[[Item, Made], Done],
) -> Iterator[tuple[Item, Done | Exception]]:
    """Reads, works and writes item by item; the next is read and the last written meanwhile.

    `work` runs in the calling thread, one item at a time and in order; `read` and `write` in one
    thread each. At most two of `work`'s results exist at a time: the one that is being made, and
    the one that is being written. If memory runs out for two, one is made after the other.

    Yields:
        (item, what `write` returned, or what was raised on the way), in order.
    """
    reader, writer = ThreadPoolExecutor(1, "read"), ThreadPoolExecutor(1, "write")
    behind: tuple[Item, Future[Done]] | None = None
    ahead = reader.submit(read, items[0]) if items else None
    try:
        for index, item in enumerate(items):
            assert ahead is not None
            current = ahead
            ahead = reader.submit(read, items[index + 1]) if index + 1 < len(items) else None
            made, error = None, None
            try:
                made = work(item, current.result())
            except Exception as caught:  # noqa: BLE001 - one item never ends the batch
                error = caught
            if behind is not None:
                yield behind[0], _outcome(behind[1])
                behind = None
                if error is not None and is_out_of_memory(error):
                    made, error = _again(work, item, current)  # now there is room for one more
            if error is not None:
                yield item, error
            else:
                behind = item, writer.submit(write, item, cast("Made", made))
            del made, error, current
        if behind is not None:
            yield behind[0], _outcome(behind[1])
    finally:
        for pool in (reader, writer):
            pool.shutdown(cancel_futures=True)


def _again(
    work: Callable[[Item, Read], Made], item: Item, current: "Future[Read]"
) -> tuple[Made | None, Exception | None]:
    try:
        return work(item, current.result()), None
    except Exception as error:  # noqa: BLE001 - as above
        return None, error


def _outcome(future: "Future[Done]") -> Done | Exception:
    try:
        return future.result()
    except Exception as error:  # noqa: BLE001 - as above
        return error
