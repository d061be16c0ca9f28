"""Random command lines: no traceback, one line an error, nothing lost, nothing left over."""

import itertools
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from kdsr import IDR
from kdsr.cli import main
from kdsr.files.baked import KEYS, build_baked
from kdsr.files.weights import read_tensors
from tests.support import odd_files
from tests.support.odd_files import BROKEN, BROKEN_TENSORS, FOLDERS, IDRS, MODELS, PICTURES, WRONG

NUMBERS = ("1", "7", "16", "20")
ODD_NUMBERS = ("0", "-1", "1e3", "nan", "inf", "-0", "", " 3", "9" * 30, "9" * 5000, "\u0663")
WORDS = ("auto", "none", "exact", "fast", "a\nb", "\x1b[2J", "--", "x")
SIZES = ("2x", "1x", "0.3x", "x9", "33x21", "0.001MP")
ODD_SIZES = ("40x", "65536x65536", "1e9MP", "99999MP", "0x", "x0", "x", "9" * 400 + "x")
OUTPUTS = ("o.png", "o.jpg", "o.webp", "o.tif", "out", "new/deep/o.png", "o.safetensors", "o.pth")
ODD_OUTPUTS = (
    "o.gif", "o.onnx", "a.png", "m.safetensors", "void", "a.png/o.png", "folder.png", "gone.png",
    "o" * 300 + ".png", "", ".", "/dev/null", "/proc/o.png", os.fsdecode(b"caf\xe9-o.png"),
)  # fmt: skip
STRANGE = ("*.png", "in/*", "**/*.png", "nothing*", "", ".", "loop.png", "hf://a/b", "kdsr", "\\")
Value = Callable[[random.Random], str]


def mostly(good: tuple[str, ...], *odd: tuple[str, ...]) -> Value:
    """A good value, or once in a while one of the others."""
    return lambda rng: rng.choice(good if rng.random() < 0.8 else rng.choice(odd))


image = mostly(PICTURES, BROKEN, WRONG, FOLDERS, STRANGE)
weights = mostly(MODELS, BROKEN_TENSORS, WRONG, STRANGE, IDRS)
steering = mostly(IDRS[:1], IDRS, BROKEN_TENSORS, WRONG, PICTURES)
output = mostly(OUTPUTS, ODD_OUTPUTS)
number = mostly(NUMBERS, ODD_NUMBERS, WORDS)

RUNNING: dict[str, Value | None] = {
    "--tile": number,
    "--dtype": mostly(("auto", "fp32", "bf16"), ("fp16", "int8")),
    "--device": mostly(("cpu", "auto"), ("meta", "cuda:99", "cpu:7", "", "tpu")),
    "--wrap": mostly(("x", "y", "both", "none"), ("z",)),
    "--verbose": None,
    "--overwrite": None,
}
OPTIONS: dict[str, dict[str, Value | None]] = {
    "upscale": {
        **RUNNING, "-o": output, "--size": mostly(SIZES, ODD_SIZES), "--overlap": number,
        "--idr": steering, "--map": number, "--save-idr": output,
        "--strength": mostly(("0", "0.5", "1.25"), ODD_NUMBERS),
        "--suffix": mostly(("-x", "_y"), ("", "/../y", "a\nb", "s" * 300)), "--quality": number,
        "--format": mostly(("png", "jpg", "webp", "tif"), ("gif", "")),
    },
    "estimate": {**RUNNING, "-o": output, "--mean": None},
    "inspect": {**RUNNING, "-o": output, "--other": mostly((*IDRS, *PICTURES), WRONG)},
    "bake": {"--idr": mostly(BROKEN_TENSORS, WRONG), "--image": mostly(BROKEN, WRONG)},
    "convert": {"--overwrite": None, "--verbose": None},
    "blend-models": {"--overwrite": None},
    "info": {"--verbose": None},
    "models": {},
}  # fmt: skip
COMMANDS = (
    ("upscale",) * 8
    + ("estimate",) * 3
    + ("inspect", "inspect", "convert", "bake", "info", "blend-models")
)


def command_line(rng: random.Random) -> list[str]:
    """A command with inputs and options, most of them sensible and some of them not."""
    command = rng.choice((*COMMANDS, "models"))
    line = {
        "upscale": lambda: [image(rng) for _ in range(rng.choice((1, 1, 1, 2, 5)))],
        "estimate": lambda: [image(rng) for _ in range(rng.choice((1, 1, 3)))],
        "inspect": lambda: [mostly((*PICTURES, *IDRS), BROKEN, WRONG)(rng)],
        "convert": lambda: [weights(rng), output(rng)],
        "blend-models": lambda: [
            weights(rng),
            weights(rng),
            mostly(("0", "0.5", "1"), ODD_NUMBERS)(rng),
            "-o",
            output(rng),
        ],
        "bake": lambda: [output(rng)],
        "info": lambda: [weights(rng)],
        "models": list,
    }[command]()
    options = OPTIONS[command]
    for name in rng.sample(sorted(options), min(len(options), rng.choice((0, 1, 1, 2, 4)))):
        value = options[name]
        line += [name] if value is None else [name, value(rng)]
    if command in ("upscale", "estimate", "inspect", "bake") and rng.random() < 0.97:
        line += ["--model", weights(rng) if rng.random() < 0.15 else "m.safetensors"]
    if rng.random() < 0.03:  # and some that make no sense at all
        line.insert(rng.randrange(len(line) + 1), rng.choice((*WORDS, "--help", "--nope")))
    return [command, *line]


Contents = dict[Path, bytes | str | None]


def contents(folder: Path) -> Contents:
    """Every file's bytes, every link's target, None for folders."""
    return {
        path: str(path.readlink()) if path.is_symlink() else path.read_bytes()
        if path.is_file() else None
        for path in folder.rglob("*")
    }  # fmt: skip


def restore(before: Contents, after: Contents) -> None:
    """Undoes what a command did."""
    for path in sorted(after.keys() - before.keys(), reverse=True):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for path, content in before.items():
        if isinstance(content, bytes) and after.get(path) != content:
            path.write_bytes(content)


def broken_promises(
    line: list[str], code: object, out: str, err: str, before: Contents, after: Contents
) -> list[str]:
    """Lists the rules that a run has broken."""
    wrong = []
    verbose = "--verbose" in line
    said = err.splitlines()
    errors = [text for text in said if " error: " in text]
    new = {path for path in after.keys() - before.keys() if after[path] is not None}
    lost = {path for path in before if path not in after or before[path] != after[path]}
    if code not in (0, 2):
        wrong.append(f"exit code {code}")
    if not verbose and any(not text.startswith("kdsr") for text in said):
        wrong.append("lines that are not the command's own")
    if not all(text.isprintable() for text in (out + err).split("\n")):
        wrong.append("characters that could steer a terminal")
    if (code == 2) != bool(errors):
        wrong.append(f"{len(errors)} errors with exit code {code}")
    if line[0] not in ("upscale", "estimate") and len(errors) > 1:
        wrong.append("more than one line for an error")
    if any(path.name.endswith(".part") for path in after):
        wrong.append("parts left over")
    folders = {path for path in after.keys() - before.keys() if after[path] is None}
    if any(not any(folder in path.parents for path in new) for folder in folders):
        wrong.append("empty folders left over")
    if lost and "--overwrite" not in line:
        wrong.append(f"lost {lost}")
    if line[0] in ("upscale", "estimate", "inspect"):
        pairs = itertools.pairwise(line)
        read = {arg for before_it, arg in pairs if before_it not in ("-o", "--save-idr")}
        wrong += [f"replaced its input {path.name}" for path in lost if path.name in read]
    wrong += [f"{path} is not whole" for path in new | lost if not is_whole(path)]
    return wrong


def is_whole(path: Path) -> bool:
    """Whether a result can be read by whoever it is for."""
    try:
        if path.suffix == ".safetensors":
            tensors = read_tensors(path)[0]
            if "idr" in tensors:
                IDR.load(path)
            elif KEYS[0] in tensors:
                build_baked(tensors)
            else:
                return main(["info", str(path)]) == 0
        elif path.suffix in (".pt", ".pth"):
            return main(["info", str(path)]) == 0
        else:
            with Image.open(path) as picture:
                picture.load()
    except Exception:  # noqa: BLE001 - whatever it is
        return False
    return True


def run_all(folder: Path, capsys: pytest.CaptureFixture[str], seeds: range) -> None:
    odd_files.fill(folder)
    before, problems, codes = contents(folder), [], []
    for seed in seeds:
        line = command_line(random.Random(seed))
        try:
            code: object = main(line)
        except SystemExit as error:
            code = error.code
        except BaseException as error:  # noqa: BLE001 - that is what is looked for
            code = repr(error)
        said = capsys.readouterr()
        after = contents(folder)
        wrong = broken_promises(line, code, said.out, said.err, before, after)
        capsys.readouterr()
        if wrong:
            problems.append(f"{seed}: {line}: {'; '.join(wrong)}\n{said.err[-600:]}")
        if before != after:
            restore(before, after)
        codes.append(code)
    assert not problems, f"{len(problems)} of {len(seeds)}:\n" + "\n".join(problems)
    assert min(codes.count(0), codes.count(2)) > len(seeds) / 4, "hardly anything was tried"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KDSR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # pictures this small are slower with more
    yield tmp_path
    torch.set_num_threads(threads)


def test_no_command_line_breaks_a_promise(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_all(folder, capsys, range(120))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_thousands_of_command_lines_break_no_promise(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_all(folder, capsys, range(1000, 4000))
