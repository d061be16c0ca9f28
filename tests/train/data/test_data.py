from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.limits import full_disk
from tests.support.pictures import save_noise
from tests.support.places import PHOTOS
from train.data import cache as data
from train.data.cache import open_cache
from train.data.check import check, perceptual_hash, report
from train.data.crops import CropSampler
from train.data.image_files import find_images, read_rgb
from train.errors import DataError

CPU = torch.device("cpu")


def test_images_of_all_formats_are_found_in_subfolders(tmp_path: Path) -> None:
    names = ["a.png", "b/c.jpg", "b/d.webp", "e.TIFF", "f.avif"]
    for name in names:
        save_noise(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    assert find_images(tmp_path) == sorted(tmp_path / name for name in names)


def test_a_list_file_names_images_relative_to_itself(tmp_path: Path) -> None:
    save_noise(tmp_path / "deep" / "a.png")
    listing = tmp_path / "list.txt"
    listing.write_text("# mine\ndeep/a.png\n\n")
    assert find_images(listing) == [tmp_path / "deep" / "a.png"]
    listing.write_text("deep/a.png\nb.png\n")
    with pytest.raises(DataError, match=r"do not exist: .*b\.png"):
        find_images(listing)


def test_held_back_parts_of_a_datasets_folder_are_left_out(tmp_path: Path) -> None:
    for part in ("train", "validation", "test"):
        save_noise(tmp_path / part / "a.png")
    assert find_images(tmp_path) == [tmp_path / "train" / "a.png"]


@pytest.mark.parametrize("name", ["empty", "absent"])
def test_a_source_without_images_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="expected training images at"):
        find_images(tmp_path / name)


def test_the_cache_holds_the_pixels_and_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_noise(tmp_path / "in" / "a.png", 32, 40, seed=1)
    save_noise(tmp_path / "in" / "b.png", 48, 24, seed=2)
    cache = open_cache(tmp_path / "in", tmp_path / "cache")
    for i, name in enumerate(("a.png", "b.png")):
        assert np.array_equal(cache.image(i).numpy(), read_rgb(tmp_path / "in" / name))

    def fail(path: Path) -> np.ndarray:
        raise AssertionError(f"{path} was decoded again")

    monkeypatch.setattr(data, "read_rgb", fail)
    again = open_cache(tmp_path / "in", tmp_path / "cache")
    assert again.fingerprint == cache.fingerprint
    assert again.index == cache.index


def test_the_fingerprint_follows_the_pixels_not_the_place(tmp_path: Path) -> None:
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        save_noise(tmp_path / folder / "x.png", seed=seed)
    a, b, c = (open_cache(tmp_path / f, tmp_path / "cache").fingerprint for f in "abc")
    assert a == b != c


def test_all_broken_files_are_named_and_no_cache_is_left(tmp_path: Path) -> None:
    save_noise(tmp_path / "in" / "good.png")
    whole = save_noise(tmp_path / "in" / "cut.png", 64, 64).read_bytes()
    (tmp_path / "in" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "in" / "text.jpg").write_text("not an image")
    with pytest.raises(DataError, match=r"cut\.png.*text\.jpg.*--check-data"):
        open_cache(tmp_path / "in", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_full_disk_is_one_clear_message_and_leaves_no_cache(tmp_path: Path) -> None:
    save_noise(tmp_path / "in" / "a.png")
    with full_disk(room=100), pytest.raises(DataError, match=r"cannot write the cache.*--cache"):
        open_cache(tmp_path / "in", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())
    assert len(open_cache(tmp_path / "in", tmp_path / "cache")) == 1


def test_small_images_are_left_out_and_only_small_ones_refused(tmp_path: Path) -> None:
    save_noise(tmp_path / "in" / "large.png", 64, 64)
    save_noise(tmp_path / "in" / "small.png", 30, 64)
    cache = open_cache(tmp_path / "in", tmp_path / "cache")
    usable, small = cache.at_least(32)
    assert [entry.name for entry in usable.index] == ["large.png"]
    assert small == ["small.png"]
    with pytest.raises(DataError, match=r"all 2 images are smaller than the crop of 128 px.*64 px"):
        cache.at_least(128)


def test_held_out_images_are_split_off_for_good(tmp_path: Path) -> None:
    for i in range(5):
        save_noise(tmp_path / "in" / f"{i}.png", seed=i)
    cache = open_cache(tmp_path / "in", tmp_path / "cache")
    kept, held = cache.split(2)
    assert len(kept) == 3
    assert len(held) == 2
    assert {e.name for e in kept.index} | {e.name for e in held.index} == {
        e.name for e in cache.index
    }
    assert cache.split(2)[1] == held


def test_a_crop_depends_on_seed_step_and_sample_alone(tmp_path: Path) -> None:
    for i in range(3):
        save_noise(tmp_path / "in" / f"{i}.png", 40, 50, seed=i)
    cache = open_cache(tmp_path / "in", tmp_path / "cache")
    crops = CropSampler(cache, seed=7)
    batch = crops.batch(3, [0, 1, 2, 3], 16, CPU)
    assert batch.shape == (4, 3, 16, 16)
    assert torch.equal(crops.batch(3, [2], 16, CPU), batch[2:3])
    assert torch.equal(CropSampler(cache, seed=7).batch(3, [2, 0], 16, CPU), batch[[2, 0]])
    assert not torch.equal(crops.batch(4, [0, 1, 2, 3], 16, CPU), batch)
    assert not torch.equal(CropSampler(cache, seed=8).batch(3, [0, 1, 2, 3], 16, CPU), batch)


def test_crops_come_in_all_eight_orientations(tmp_path: Path) -> None:
    ramp = np.add.outer(np.arange(16) * 10, np.arange(16)).astype(np.uint8)
    (tmp_path / "in").mkdir()
    Image.fromarray(np.stack([ramp] * 3, 2)).save(tmp_path / "in" / "ramp.png")
    crops = CropSampler(open_cache(tmp_path / "in", tmp_path / "cache"), seed=0)
    batch = (crops.batch(0, range(100), 16, CPU)[:, 0] * 255).round().byte()
    seen = {crop.numpy().tobytes() for crop in batch}
    expected = {
        np.ascontiguousarray(np.rot90(image, turns)).tobytes()
        for image in (ramp, ramp[:, ::-1])
        for turns in range(4)
    }
    assert seen == expected


def test_patterns_are_drawn_into_their_share_of_crops(tmp_path: Path) -> None:
    save_noise(tmp_path / "in" / "a.png", 64, 64)
    cache = open_cache(tmp_path / "in", tmp_path / "cache")
    plain = CropSampler(cache, 0).batch(0, range(60), 32, CPU)
    drawn = CropSampler(cache, 0, patterns=0.5).batch(0, range(60), 32, CPU)
    changed = (plain != drawn).flatten(1).any(1)
    assert 15 < changed.sum() < 45
    again = CropSampler(cache, 0, patterns=0.5).batch(0, range(60), 32, CPU)
    assert torch.equal(again, drawn)


def test_check_data_finds_what_is_wrong_with_a_folder(tmp_path: Path) -> None:
    folder, benchmark = tmp_path / "in", tmp_path / "Set5"
    folder.mkdir()
    benchmark.mkdir()
    photos = sorted(PHOTOS.glob("*.jpg"))
    clean = [Image.open(path).convert("RGB").reduce(2) for path in photos[:4]]
    clean[0].save(folder / "a_fine.png")
    clean[0].resize((200, 160)).save(folder / "b_double.png")
    clean[1].save(folder / "c_jpeg.png")
    clean[1].save(folder / "c_jpeg.jpg", quality=30)
    clean[2].save(benchmark / "known.png")
    clean[2].transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "d_known.png")
    clean[3].resize((clean[3].width * 2, clean[3].height * 2), Image.Resampling.BICUBIC).save(
        folder / "e_enlarged.png"
    )
    noise = np.random.default_rng(0).normal(0, 12, (128, 128, 3)) + 128
    Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(folder / "f_noise.png")
    save_noise(folder / "g_tiny.png", 40, 20)
    (folder / "h_broken.png").write_bytes(b"no image")
    problems = check(folder, 64, [benchmark])
    found = {(problem.kind, problem.path.name) for problem in problems}
    assert {
        ("duplicate", "b_double.png"), ("blocks", "c_jpeg.jpg"), ("duplicate", "c_jpeg.png"),
        ("benchmark", "d_known.png"), ("blur", "e_enlarged.png"), ("noise", "f_noise.png"),
        ("tiny", "g_tiny.png"), ("broken", "h_broken.png"),
    } <= found  # fmt: skip
    assert not any(name == "a_fine.png" for _, name in found)
    assert {problem.kind for problem in problems if problem.serious} == {"broken", "benchmark"}
    assert "must be removed" in report(problems)
    assert report([]) == "no problems found"


def test_hidden_pixels_are_filled_and_said(tmp_path: Path) -> None:
    pixels = np.full((96, 96, 4), 255, np.uint8)
    pixels[:, 48:] = (255, 0, 255, 0)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert (read_rgb(tmp_path / "a.png") == 255).all(), "not the magenta that nobody sees"
    found = {problem.kind: problem for problem in check(tmp_path, 64)}
    assert "50% of it is transparent" in found["transparent"].words
    assert not found["transparent"].serious


def test_perceptual_hashes_survive_scaling_and_tell_pictures_apart() -> None:
    paths = sorted(PHOTOS.glob("*.jpg"))
    hashes = [perceptual_hash(read_rgb(path)) for path in paths]
    with Image.open(paths[0]) as image:
        smaller = perceptual_hash(np.array(image.convert("RGB").reduce(3)))
    assert bin(smaller ^ hashes[0]).count("1") <= 4
    distances = [bin(a ^ b).count("1") for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(distances) > 12


def test_16_bit_photographs_keep_their_range(tmp_path: Path) -> None:
    grey = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    Image.fromarray(grey).save(tmp_path / "deep.png")
    expected = np.rint(grey / 257).astype(np.uint8)
    assert np.abs(read_rgb(tmp_path / "deep.png").astype(int) - expected[..., None]).max() <= 1
