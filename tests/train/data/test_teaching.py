from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.support.pairs import make_pairs, photo, shrunk
from train.data.cache import open_cache
from train.data.crops import CropSampler
from train.data.pairing import find_pairs
from train.data.pool import PairPool
from train.data.real_pairs import PairCache, open_pairs
from train.data.sources import MixedPairs, RealPairs, SyntheticPairs
from train.data.teaching import Teaching, is_import_path, load_upscaler
from train.degradation.blur import gaussian_blur
from train.degradation.pipelines import DegradationOptions
from train.errors import DataError

CPU = torch.device("cpu")


def doubled(lq: Tensor) -> Tensor:
    """A larger model of sorts: a darker picture."""
    return 0.8 * lq.repeat_interleave(4, 2).repeat_interleave(4, 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GT, LQ, and SR: the GT upside down."""
    folder = tmp_path_factory.mktemp("taught")
    gt, _ = make_pairs(folder, count=2)
    (folder / "SR").mkdir()
    for path in gt.iterdir():
        with Image.open(path) as image:
            image.transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(folder / "SR" / path.name)
    return folder


def taught(folder: Path) -> PairCache:
    pairing = find_pairs(folder / "GT", folder / "LQ", folder / "SR")
    return open_pairs(pairing, 4, folder / "cache")


def test_a_picture_keeps_its_detail_and_has_the_coarse_colours_of_the_original() -> None:
    rng = torch.Generator().manual_seed(0)
    gt = torch.full((1, 3, 96, 96), 0.4)
    detail = 0.1 * torch.sign(torch.randn(1, 3, 96, 96, generator=rng))
    tinted = gt + detail + torch.tensor([0.2, -0.1, 0.05]).view(3, 1, 1)
    made = Teaching(sigma=6.0).pictures(gt, gt, tinted)
    assert (gaussian_blur(made - gt, 6.0)).abs().max() < 0.01
    assert (made - gt - detail).abs().mean() < 0.01
    assert torch.equal(Teaching(sigma=0.0).pictures(gt, gt, tinted), tinted.clamp(0, 1))
    assert Teaching().pictures(gt, gt) is gt


def test_pictures_of_a_folder_are_cut_as_their_pairs_are(folder: Path) -> None:
    pairs = taught(folder)
    assert pairs.fingerprint != open_pairs(
        find_pairs(folder / "GT", folder / "LQ"), 4, folder / "cache"
    ).fingerprint  # fmt: skip
    plain = RealPairs(pairs, 3, CPU).make(0, [0, 1, 2], 32)
    lq, gt, pictures = RealPairs(pairs, 3, CPU, Teaching(sigma=0.0)).make(0, [0, 1, 2], 32)
    assert torch.equal(lq, plain[0])
    assert torch.equal(gt, plain[1])
    upside = PairCache(pairs.lq, pairs.teacher, 4)  # pyright: ignore[reportArgumentType]
    assert torch.equal(pictures, RealPairs(upside, 3, CPU).make(0, [0, 1, 2], 32)[1])
    kept, held = pairs.parted({"0.png"})
    for part, names in ((kept, ("1.png",)), (held, ("0.png",))):
        assert part.teacher is not None
        assert part.names == names
        assert [entry.name for entry in part.teacher.index] == list(names)


def test_pictures_of_another_size_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "SR").mkdir()
    for number in range(2):
        shrunk(photo(number), 2).save(tmp_path / "SR" / f"{number}.png")
    with pytest.raises(DataError, match=r"as large as the GT: .*0\.png .*px, its ground truth"):
        open_pairs(find_pairs(folder / "GT", folder / "LQ", tmp_path / "SR"), 4, folder / "cache")


def test_a_function_makes_pictures_of_all_lq_images_but_drawn_ones_and_once_a_pair(
    folder: Path,
) -> None:
    calls = []

    def upscale(lq: Tensor) -> Tensor:
        calls.append(len(lq))
        return doubled(lq)

    teaching = Teaching(upscale, sigma=0.0)
    crops = CropSampler(open_cache(folder / "GT", folder / "cache"), 3, patterns=0.5)
    general = DegradationOptions(kind="general").build(4)
    synthetic = SyntheticPairs(crops, general, 3, CPU, teaching)
    samples = list(range(12))
    lq, gt, pictures = synthetic.make(2, samples, 32)
    drawn = torch.tensor([crops.is_drawn(2, sample, 32) for sample in samples])
    assert 0 < int(drawn.sum()) < 12
    assert torch.equal(pictures[drawn], gt[drawn])
    assert torch.equal(pictures[~drawn], doubled(lq)[~drawn])
    real = RealPairs(
        open_pairs(find_pairs(folder / "GT", folder / "LQ"), 4, folder / "cache"), 3, CPU, teaching
    )
    mixed = MixedPairs(synthetic, real, 0.5, 3)
    calls.clear()
    pool = PairPool(mixed, 3, uses=3, depth=4, label=lambda lq, _: lq.mean((1, 2, 3)))
    for step in range(9):
        lq, gt, pictures, label = pool.batch(step, samples, 32)
        assert pictures.shape == gt.shape
        assert torch.equal(label, lq.mean((1, 2, 3)))
    assert sum(calls) == 12 * 3 + 12 * 6 // 3


def test_a_function_is_imported_and_what_does_not_fit_is_told() -> None:
    assert is_import_path("tests.train.data.test_teaching:doubled")
    assert not is_import_path("C:/pictures")
    assert not is_import_path("runs/pictures")
    found = load_upscaler("tests.train.data.test_teaching:doubled")
    assert found(torch.ones(1, 3, 4, 4)).shape == (1, 3, 16, 16)
    for name in ("tests.train.data.test_teaching:nothing", "no_such_module:doubled"):
        with pytest.raises(DataError, match="cannot be imported"):
            load_upscaler(name)
    with pytest.raises(DataError, match="is not a function"):
        load_upscaler("tests.train.data.test_teaching:CPU")
    with pytest.raises(DataError, match=r"made \(1, 3, 16, 16\) .* expected \(1, 3, 8, 8\)"):
        Teaching(doubled).pictures(torch.ones(1, 3, 4, 4), torch.ones(1, 3, 8, 8))
