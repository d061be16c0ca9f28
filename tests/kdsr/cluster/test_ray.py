"""`kdsr upscale --cluster` on a real cluster of two workers, some of which are killed."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kdsr.cli import main
from kdsr.files.weights import save_checkpoint
from kdsr.video.segments import SEGMENT
from tests.conftest import make_tiny
from tests.support.clips import write_clip

pytest.importorskip("ray", reason="Ray is not installed: python -m pip install ray")
pytest.importorskip("psutil", reason="psutil is not installed: python -m pip install psutil")

from tests.support.ray_cluster import Cluster, cluster_of_two, kdsr, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(os.name == "nt", reason="signals of POSIX"),
]
COUNT = 60


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with cluster_of_two() as running:
        yield running


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, in/ with pictures and one that is none, and out/, what the plain command made."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "in").mkdir()
    save_checkpoint(make_tiny(), folder / "m.safetensors")
    for index in range(COUNT):  # so many that no run is over before a test can do anything to it
        values = np.random.default_rng(index).integers(0, 256, (20, 24, 3)).astype(np.uint8)
        Image.fromarray(values).save(folder / "in" / f"{index:03d}.png")
    (folder / "in" / "030-bad.png").write_text("no picture")
    assert main([*upscale(folder), "-o", str(folder / "out")]) == 2
    return folder


def upscale(plain: Path) -> list[str]:
    return ["upscale", str(plain / "in"), "--model", str(plain / "m.safetensors")]


def results(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def finished(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.png"))


def sources_in(said: str) -> list[str]:
    """Names of the inputs that the command said it upscaled."""
    return [Path(line.partition(" -> ")[0]).name for line in said.splitlines() if " -> " in line]


def test_a_killed_worker_loses_nothing_and_duplicates_nothing(
    cluster: Cluster, plain: Path, tmp_path: Path
) -> None:
    with kdsr(tmp_path, *upscale(plain), "-o", "out", "--cluster", cluster.address) as run:
        wait_until(lambda: len(finished(tmp_path / "out")) >= 3, run)
        before = {path.name: path.stat().st_mtime_ns for path in finished(tmp_path / "out")}
        wait_until(lambda: cluster.workers("work"), run)[0].kill()
        said, errors = run.communicate()
    assert run.returncode == 2
    assert "images upscaled" in errors
    assert results(tmp_path / "out") == results(plain / "out")
    assert Counter(sources_in(said)) == Counter(f"{i:03d}.png" for i in range(COUNT))
    for name, time_stamp in before.items():
        assert (tmp_path / "out" / name).stat().st_mtime_ns == time_stamp
    failed, summary = errors.splitlines()[-2:]
    assert "030-bad.png: not an image that can be read" in failed
    assert summary == f"kdsr: {COUNT} of {COUNT + 1} images upscaled"
    assert said.count("\n") == COUNT  # and nothing of what Ray has to say


def test_a_killed_driver_started_again_finishes_what_is_left(
    cluster: Cluster, plain: Path, tmp_path: Path
) -> None:
    command = [*upscale(plain), "-o", "out", "--cluster", cluster.address]
    with kdsr(tmp_path, *command) as run:
        wait_until(lambda: len(finished(tmp_path / "out")) >= 5, run)
        run.kill()
    wait_until(lambda: not cluster.workers())
    before = {path.name: path.stat().st_mtime_ns for path in finished(tmp_path / "out")}
    assert 5 <= len(before) < COUNT
    for name in before:
        assert (tmp_path / "out" / name).read_bytes() == (plain / "out" / name).read_bytes()
    with kdsr(tmp_path, *command) as run:
        said, errors = run.communicate()
    assert run.returncode == 2
    assert f"{len(before)} of {COUNT + 1} results exist" in errors
    assert len(sources_in(said)) == COUNT - len(before)
    assert results(tmp_path / "out") == results(plain / "out")
    for name, time_stamp in before.items():
        assert (tmp_path / "out" / name).stat().st_mtime_ns == time_stamp


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_driver_and_workers_and_leaves_only_whole_files(
    cluster: Cluster, plain: Path, tmp_path: Path, number: signal.Signals
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    with kdsr(tmp_path, *upscale(plain), "-o", "out", "--cluster", cluster.address) as run:
        wait_until(lambda: len(finished(tmp_path / "out")) >= 2, run)
        run.send_signal(number)
        _, errors = run.communicate()
    assert run.returncode == 128 + number
    assert errors.splitlines()[-1] == "kdsr: stopped; nothing half-written is left"
    assert "Traceback" not in errors
    wait_until(lambda: not cluster.workers())
    left = results(tmp_path / "out")
    assert 2 <= len(left) < COUNT
    assert left.items() <= results(plain / "out").items()


def test_a_cluster_of_its_own_gives_the_roll_the_same_one_idr(plain: Path, tmp_path: Path) -> None:
    options = ["--one-idr", "--save-idr", "one.safetensors", "--suffix", ""]
    pictures = [str(plain / "in" / f"{index:03d}.png") for index in range(10)]
    command = ["upscale", *pictures, "--model", str(plain / "m.safetensors"), *options]
    for name, more in (("plain", []), ("shared", ["--cluster", "local"])):
        (tmp_path / name).mkdir()
        with kdsr(tmp_path / name, *command, "-o", "out", *more) as run:
            _, errors = run.communicate()
        assert run.returncode == 0, errors
    one, same = (tmp_path / name / "one.safetensors" for name in ("plain", "shared"))
    assert one.read_bytes() == same.read_bytes()
    assert len(results(tmp_path / "plain" / "out")) == 10
    assert results(tmp_path / "shared" / "out") == results(tmp_path / "plain" / "out")


def test_workers_share_a_film_one_is_killed_and_the_driver_too_and_the_result_is_the_same(
    cluster: Cluster, plain: Path, tmp_path: Path
) -> None:
    pytest.importorskip("av", reason="PyAV is not installed: python -m pip install av")
    write_clip(tmp_path / "clip.mp4", 12 * SEGMENT + 7, 32, 24)
    command = ["upscale", "clip.mp4", "--model", str(plain / "m.safetensors"), "-o"]
    parts = tmp_path / "shared.mp4.kdsr-parts"

    def coded() -> int:
        return len(list(parts.glob("*.segment")))

    on_cluster = [*command, "shared.mp4", "--cluster", cluster.address]
    with kdsr(tmp_path, *on_cluster) as run:
        wait_until(lambda: coded() >= 2, run)
        wait_until(lambda: cluster.workers("work"), run)[0].kill()
        wait_until(lambda: coded() >= 6, run)
        run.kill()
    wait_until(lambda: not cluster.workers())
    assert not (tmp_path / "shared.mp4").exists()
    assert 6 <= coded() <= 13
    with kdsr(tmp_path, *on_cluster) as run:
        said, errors = run.communicate()
    assert run.returncode == 0, errors
    assert "going on from what is in" in errors
    assert said.count("\n") == 1
    with kdsr(tmp_path, *command, "plain.mp4") as run:
        assert run.wait() == 0
    assert (tmp_path / "shared.mp4").read_bytes() == (tmp_path / "plain.mp4").read_bytes()
    assert not parts.exists()


def test_an_address_where_no_cluster_is_takes_one_line(plain: Path, tmp_path: Path) -> None:
    command = ["upscale", str(plain / "in" / "00.png"), "-o", "o.png", "--cluster", "127.0.0.1:9"]
    with kdsr(tmp_path, *command) as run:
        said, errors = run.communicate()
    assert run.returncode == 2
    assert said == ""
    (line,) = errors.splitlines()
    assert "no cluster answers at 127.0.0.1:9" in line
