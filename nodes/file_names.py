"""Rules for names of files that are saved, listed and loaded.

A name is a path with `/` below one of ComfyUI's folders, and one that every system can read: an
input folder that comes from Linux is opened on Windows, too.
"""

import unicodedata

_LONGEST = 255  # bytes of one part; longer ones exist on no file system
_LONGEST_PATH = 1000  # bytes in all
_REFUSED = '<>:"|?*\\'
_DEVICES = {"con", "prn", "aux", "nul"} | {f"{p}{n}" for p in ("com", "lpt") for n in range(1, 10)}


def name_problem(name: object) -> str | None:
    """Describes the problem of a name, as the second half of a sentence; None without one."""
    if not isinstance(name, str):
        return f"expected text, got {'nothing' if name is None else type(name).__name__}"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        return "it holds control characters"
    if len(name.encode()) > _LONGEST_PATH:
        return f"it is {len(name)} characters long; take a shorter one"
    return next(filter(None, map(_part_problem, name.split("/"))), None)


def _part_problem(part: str) -> str | None:
    """Likewise of a folder or file in a name."""
    if refused := [character for character in _REFUSED if character in part]:
        return f"Windows could not read it with {' '.join(refused)} in it; leave that out"
    if part in ("", ".", ".."):
        return "it must lie inside ComfyUI's folder, with a name between every two slashes"
    if part[-1] in ". ":
        return f"Windows could not read {part!r}, which ends in a dot or a space"
    if part.partition(".")[0].rstrip().lower() in _DEVICES:
        return f"Windows keeps the name {part!r} for a device; take another"
    if len(part.encode()) > _LONGEST:
        return f"{part[:20]}... is {len(part)} characters long; take a shorter name"
    return None
