"""Does the IDR tell how an image was degraded, and did the student learn it from the teacher?

    python -m benchmarks.distillation FOLDER [--model kdsr-s-x4] [--teacher teacher.safetensors]

Every image of the folder (ground truth) under every reference degradation. Distances between
vectors of one degradation on different images, and of different degradations on one image: the
ratio is below 1 if the vector tells more about the degradation than about the image. By angles of
`idr_full`, and, where a model is calibrated, by distances in the directions that its calibration
found to tell degradations apart.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import kdsr
from kdsr.files.weights import load_checkpoint
from kdsr.network.models import Teacher as KDSRTeacher
from kdsr.options import DEFAULT_MODEL
from tools.arguments import parser_of
from train.data.images import find_images, load_image
from train.measuring.calibration import REFERENCES
from train.measuring.protocols import fixed

_SIDE = 384


def main() -> None:
    """Prints the numbers."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--teacher", type=Path)
    arguments = parser.parse_args()
    model = kdsr.load(arguments.model)
    teacher = load_checkpoint(arguments.teacher) if arguments.teacher else None
    scale = model.config.scale
    students, teachers = [], []
    for path in find_images(arguments.folder):
        gt = load_image(path)[:, :, :_SIDE, :_SIDE]
        gt = gt[:, :, : gt.shape[2] // scale * scale, : gt.shape[3] // scale * scale]
        lqs = [fixed(scale, **numbers)(gt) for numbers in REFERENCES.values()]
        students.append(torch.cat([model.estimate(lq, dtype="fp32").idr_full for lq in lqs]))
        if isinstance(teacher, KDSRTeacher):
            with torch.inference_mode():
                teachers.append(torch.cat([teacher.estimate_pair(lq, gt)[1] for lq in lqs]))
    vectors = torch.stack(students)
    print(f"{vectors.shape[0]} images, {vectors.shape[1]} degradations\n")
    print("| distance | one degradation, two images | one image, two degradations | ratio |")
    print("|---|---|---|---|")
    _row("angle of idr_full, degrees", vectors, angles)
    if model.calibration is not None:
        _row("calibrated directions", model.calibration.discriminants(vectors), torch.cdist)
    if teachers:
        target = torch.stack(teachers)
        _row("angle, teacher", target, angles)
        plain = F.cosine_similarity(vectors, target, dim=2).mean()
        # Any two vectors of positive numbers are alike: what is left without what they share?
        centred = F.cosine_similarity(
            vectors - vectors.mean((0, 1)), target - target.mean((0, 1)), dim=2
        ).mean()
        print(f"\nstudent and teacher: cosine {plain:.3f}, without their means {centred:.3f}")


def angles(a: Tensor, b: Tensor) -> Tensor:
    """Degrees between the rows of (..., N, C) and (..., M, C)."""
    cosine = F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).mT
    return torch.rad2deg(torch.arccos(cosine.clamp(-1, 1)))


def _row(name: str, vectors: Tensor, distance) -> None:
    """Of (images, degradations, C)."""
    same_image = _off_diagonal(distance(vectors, vectors))
    turned = vectors.transpose(0, 1).contiguous()
    same_degradation = _off_diagonal(distance(turned, turned))
    ratio = same_degradation / same_image
    print(f"| {name} | {same_degradation:.2f} | {same_image:.2f} | {ratio:.2f} |")


def _off_diagonal(distances: Tensor) -> float:
    n = distances.shape[-1]
    return (distances.sum((-1, -2)) / (n * (n - 1))).mean().item()


if __name__ == "__main__":
    main()
