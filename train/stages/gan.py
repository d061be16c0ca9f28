"""Stage 3 for real photographs: adversarial training of the student (paper Sec. 3.3, Eq. 6)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.losses.terms import shifted, vanilla_gan_loss
from train.stages.distillation import Batch, Forward, StudentStage


@dataclass(eq=False)
class GANStage(StudentStage):
    """Trains the student with perceptual and adversarial losses, then the discriminator."""

    discriminator: nn.Module = field(default_factory=nn.Identity)
    """Untrained network with logits (B, 1, H, W) for images (B, 3, H, W)."""
    distances: Mapping[str, nn.Module] = field(default_factory=dict)
    """Frozen networks that compare images, by name: "perceptual", "lpips", "dists". The option
    NAME_weight is the weight of each."""

    def parts(self) -> dict[str, nn.Module]:
        """The student, then the discriminator if `gan_weight` is positive."""
        if self.options.gan_weight == 0:
            return {"model": self.model}
        return {"model": self.model, "discriminator": self.discriminator}

    def to(self, device: torch.device) -> None:
        """Moves all modules to a device."""
        super().to(device)
        for distance in self.distances.values():
            distance.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def rests(self, part: str, losses: Mapping[str, Tensor]) -> bool:
        """Whether the discriminator skips its turn; see `StageOptions.adaptive_d`."""
        limit = self.options.adaptive_d
        if part != "discriminator" or limit == 0:
            return False
        return float(losses["gan"]) > limit * self.options.gan_weight

    def losses(self, part: str, forward: Mapping[str, Forward], batch: Batch) -> dict[str, Tensor]:
        """Computes the losses of the student or of the discriminator."""
        if part == "discriminator":
            return self._judge(forward, batch)
        sr, idr_full = self._run(forward, batch)
        batch.sr = sr.detach()
        seen, wanted = self._seen(sr, batch), self._wanted(batch)
        losses = self._compare(sr, batch, wanted) | self._distil(idr_full, batch)
        losses |= self._consist(sr, forward, batch)
        # Samples are in random order, so that the first ones represent all.
        some = slice(math.ceil(self.options.perceptual_share * len(seen)))
        for name, distance in self.distances.items():
            weight = getattr(self.options, f"{name}_weight")
            if weight > 0:
                like = self._seen(wanted[some], batch)
                losses[name] = weight * distance(seen[some], like).mean()
        if self.options.gan_weight > 0:
            # Called without the wrapper for several devices, as it does not learn in this turn.
            verdict = self.discriminator(seen)
            losses["gan"] = self.options.gan_weight * vanilla_gan_loss(verdict, real=True)
        return losses

    def _seen(self, images: Tensor, batch: Batch) -> Tensor:
        """Prepares images for perceptual network and discriminator: shifts, then shrinks them.

        The channels-last format halves the time of both at full resolution, on a CPU, too.
        """
        moved, shrink = shifted(images, batch.step, self.options.shift), self.options.shrink
        seen = F.avg_pool2d(moved, shrink) if shrink > 1 else moved
        return seen.contiguous(memory_format=torch.channels_last)

    def _judge(self, forward: Mapping[str, Forward], batch: Batch) -> dict[str, Tensor]:
        assert batch.sr is not None, "the model's turn comes first"
        # One pass for both, as spectral norm changes with every pass. Without batch norm, the two
        # halves do not influence each other.
        taught = batch.taught if self.options.gan_real == "teacher" else None
        truth = batch.gt if taught is None else taught
        both = self._seen(torch.cat((truth, batch.sr)), batch)
        verdicts: Tensor = forward["discriminator"](both)  # pyright: ignore[reportAssignmentType]
        real, fake = verdicts.chunk(2)
        return {
            "real": vanilla_gan_loss(real, real=True),
            "fake": vanilla_gan_loss(fake, real=False),
        }
