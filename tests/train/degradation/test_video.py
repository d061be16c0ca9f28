"""Frames of video against the real codecs, written into a file and read back as players do."""

import io
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

from kdsr.errors import ConfigError
from kdsr.video.colour import Colour
from tests.support.pairs import photo
from train.degradation.more import MoreOptions
from train.degradation.pipelines import DegradationOptions
from train.degradation.realworld import RealWorldOptions
from train.degradation.video import Codec, Filmed, Video

av = pytest.importorskip("av", reason="PyAV is not installed: python -m pip install av")
MOTION = (0.5, 1.75)


def picture(side: int = 64) -> Tensor:
    """A photograph, (1, 3, side, side) in [0, 1]."""
    image = photo(2).crop((40, 40, 40 + side, 40 + side))
    return torch.tensor(np.asarray(image)).permute(2, 0, 1)[None].float() / 255


def through_a_file(clip: list[Tensor], encoder: str, options: dict[str, str]) -> tuple[Tensor, str]:
    """The last frame of a Matroska file, (1, 3, H, W) in [0, 1], and its type."""
    buffer, colour = io.BytesIO(), Colour.of_images()
    with av.open(buffer, "w", format="matroska") as container:
        stream = container.add_stream(encoder, rate=25, options=options)
        stream.height, stream.width = clip[0].shape[2:]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = Fraction(1, 25)
        for number, image in enumerate(clip):
            frame = colour.to_frame((image[0] * 255).round().byte().permute(1, 2, 0).contiguous())
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == len(clip)
    return colour.to_rgb(frames[-1]), av.video.frame.PictureType(frames[-1].pict_type).name


@pytest.mark.parametrize(
    ("codec", "encoder", "options"),
    [
        ("h264", "libx264", {"preset": "veryfast", "x264-params": "scenecut=0"}),
        (
            "hevc",
            "libx265",
            {
                "preset": "ultrafast",
                "x265-params": "ctu=16:scenecut=0:pools=none:frame-threads=1:log-level=none",
            },
        ),
    ],
)
@pytest.mark.parametrize("motion", [None, MOTION])
def test_frames_are_those_of_a_file_that_the_real_encoder_wrote(
    codec: Codec, encoder: str, options: dict[str, str], motion: tuple[float, float] | None
) -> None:
    image, losses = picture(), []
    for crf in (20, 36):
        filmed = Filmed(codec, crf, motion)
        clip = filmed._clip(image)
        given = {**options, "tune": "zerolatency", "crf": str(crf)}
        expected, kind = through_a_file(clip, encoder, given)
        assert kind == ("I" if motion is None else "P")
        made = filmed.apply(image)
        assert torch.equal(made, expected)
        losses.append((made - image).abs().mean().item())
    assert losses[1] > 1.5 * losses[0] > 0


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_predicted_frame_holds_what_a_coarser_one_left(codec: Codec) -> None:
    """A predicted frame is made of others, so it differs from a key frame; colours stay."""
    image = picture()
    key, predicted = (Filmed(codec, 30, motion).apply(image) for motion in (None, MOTION))
    assert (key - predicted).abs().mean() > 1 / 255
    for made in (key, predicted):
        assert (made - image).mean((2, 3)).abs().max() < 3 / 255


def test_the_picture_of_a_predicted_frame_comes_along_its_motion() -> None:
    early, late, shown = Filmed("h264", 20, (2.0, -3.0))._clip(picture(32))
    assert torch.allclose(early[..., :-4, 6:], shown[..., 4:, :-6], atol=1e-4)
    assert torch.allclose(late[..., :-2, 3:], shown[..., 2:, :-3], atol=1e-4)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (31, 29), (16, 50)])
def test_any_size_comes_back_as_it_was_the_same_beside_whatever_else(
    codec: Codec, height: int, width: int
) -> None:
    image = picture()[:, :, :height, :width]
    filmed = Filmed(codec, 25, MOTION)
    made = filmed.apply(torch.cat((image.flip(3), image)))
    assert made.shape == (2, 3, height, width)
    assert torch.equal(made[1:], filmed.apply(image))
    assert torch.equal((made * 255).round() / 255, made)
    assert (made[1:] - image).abs().mean() < 0.1


def test_what_is_drawn_stays_within_its_ranges_and_is_a_function_of_the_seed() -> None:
    more = MoreOptions(video=Video(1.0, min_crf=30, max_crf=31, predicted=0.5, max_motion=2.0))
    drawn = [steps[0] for steps in more.sample(3, 7, range(80))]
    assert drawn == [more.sample(3, 7, [sample])[0][0] for sample in range(80)]
    assert drawn != [steps[0] for steps in more.sample(4, 7, range(80))]
    films = [step for step in drawn if isinstance(step, Filmed)]
    assert {film.crf for film in films} == {30, 31}
    assert {film.codec for film in films} == {"h264", "hevc"}
    lengths = [np.hypot(*film.motion) for film in films if film.motion is not None]
    assert 25 < len(lengths) < 55
    assert 1.5 < max(lengths) <= 2.0
    assert len({film.describe() for film in films}) > 30


def test_video_comes_last_and_its_share_changes_nothing_of_the_others() -> None:
    gt = picture(96).expand(6, -1, -1, -1)
    plain = DegradationOptions(kind="realworld").build(4)
    filmed = DegradationOptions(
        kind="realworld", realworld=RealWorldOptions(more=MoreOptions(video=Video(0.5)))
    ).build(4)
    before, after = plain.sample(0, 0, range(6)), filmed.sample(0, 0, range(6))
    lq, made = plain.apply(gt, before), filmed.apply(gt, after)
    for row, steps in enumerate(after.more):
        expected = steps[0].apply(lq[row : row + 1])[0] if steps else lq[row]
        assert torch.equal(made[row], expected)
        assert (" crf " in filmed.describe(after)[row]) == bool(steps)
    assert {len(steps) for steps in after.more} == {0, 1}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: Video(share=2), "video: share must be 0 to 1, got 2"),
        (lambda: Video(predicted=-1), "predicted must be 0 to 1, got -1"),
        (lambda: Video(max_crf=52), "0 <= min_crf <= max_crf <= 51, got 18 and 52"),
        (lambda: Video(max_motion=-1), "max_motion must be at least 0, got -1"),
        (lambda: Video(codecs=()), "choose from h264, hevc"),
    ],
)
def test_ranges_that_are_none_are_refused(wrong: object, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        wrong()  # pyright: ignore[reportCallIssue]


def test_without_pyav_or_an_encoder_the_remedy_is_told_before_a_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(av, "codecs_available", {"libx264"})
        Video(share=0.5, codecs=("h264",))
        with pytest.raises(ConfigError, match=r"no libx265: .* leave hevc out of video\.codecs"):
            Video(share=0.5)
    monkeypatch.setitem(sys.modules, "av", None)  # what a missing package looks like
    Video()
    with pytest.raises(ConfigError, match=r'video\.share\).*the extra "video"'):
        Video(share=0.5)
