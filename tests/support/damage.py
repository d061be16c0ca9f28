"""Files as disks, downloads and strangers ruin them, the same ones in every run."""

import random


def damaged(data: bytes, seed: int) -> bytes:
    """A file with one to four kinds of harm in it: bits, bytes, pieces; cut, doubled or lost."""
    rng = random.Random(seed)
    content = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        if not content:
            break
        at = rng.randrange(len(content))
        # Headers are short beside what follows them, and matter more.
        at = rng.randrange(min(len(content), 200)) if rng.random() < 0.5 else at
        size = rng.choice((1, 2, 4, 8, 64))
        harm = rng.randrange(6)
        if harm == 0:
            content[at] ^= 1 << rng.randrange(8)
        elif harm == 1:
            content[at : at + size] = rng.randbytes(len(content[at : at + size]))
        elif harm == 2:
            content[at : at + size] = bytes([rng.choice((0, 127, 128, 255))]) * size
        elif harm == 3:
            del content[at:]
        elif harm == 4:
            del content[at : at + size]
        else:
            content[at:at] = content[at : at + size]
    return bytes(content)
