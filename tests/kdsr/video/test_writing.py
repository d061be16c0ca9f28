"""Sound and the names of tracks in each kind of file."""

from pathlib import Path

import numpy as np
import pytest

from kdsr.formats import CONTAINERS
from kdsr.video.writing import COPIED, _supported, fate, for_container, names_of

av = pytest.importorskip("av", reason="PyAV is not installed: python -m pip install av")

FATES = {
    "libopus": {".mp4": COPIED, ".mov": "aac", ".mkv": COPIED, ".webm": COPIED},
    "flac": {".mp4": COPIED, ".mov": "aac", ".mkv": COPIED, ".webm": "libopus"},
    "aac": {".mp4": COPIED, ".mov": COPIED, ".mkv": COPIED, ".webm": "libopus"},
    "pcm_s16le": {".mp4": "flac", ".mov": COPIED, ".mkv": COPIED, ".webm": "libopus"},
}


PAIRS = {code: pair for pair in (("fre", "fra"), ("ger", "deu"), ("dut", "nld")) for code in pair}


def sound(path: Path, encoder: str, **named: str) -> Path:
    with av.open(str(path), "w") as output:
        stream = output.add_stream(encoder, rate=48_000, layout="stereo")
        stream.metadata.update(named)
        silence = np.zeros((1, 2 * 9600), np.int16)
        frame = av.AudioFrame.from_ndarray(silence, "s16", "stereo")
        frame.sample_rate, frame.pts = 48_000, 0
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("encoder", FATES)
def test_sound_is_copied_only_where_a_file_can_begin_with_it(tmp_path: Path, encoder: str) -> None:
    with av.open(str(sound(tmp_path / "a.mkv", encoder))) as source:
        found = {
            suffix: fate(
                source.streams.audio[0], CONTAINERS[suffix], _supported(CONTAINERS[suffix])
            )
            for suffix in FATES[encoder]
        }
    assert found == FATES[encoder]


@pytest.mark.parametrize("language", [*PAIRS, "jpn"])
def test_quicktime_says_a_language_by_the_code_that_it_knows(tmp_path: Path, language: str) -> None:
    said = for_container({"language": language, "title": "Main"}, CONTAINERS[".mov"])
    with av.open(str(sound(tmp_path / "a.mov", "aac", **said))) as file:
        found = names_of(file.streams[0])
    assert found["title"] == "Main"
    assert for_container(found, CONTAINERS[".mov"]) == said
    assert found["language"] in PAIRS.get(language, (language,))
    assert for_container(said, CONTAINERS[".mp4"]) == said
