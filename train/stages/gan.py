"""Stage 3 for real photographs: the student against a discriminator (paper Sec. 3.3, Eq. 6)."""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kdsr import KDSRConfig, KDSRTeacher
from train.losses.terms import shifted, vanilla_gan_loss
from train.recipes.stages import StageOptions
from train.stages.distillation import Batch, Forward, StudentStage


class GANStage(StudentStage):
    """The losses of a student, perceptual and adversarial loss; then the discriminator's turn.

    Args:
        config: Of student and teacher.
        options: Weights of the losses.
        composed: See `Stage`.
        teacher: To distil from; None where that has no weight.
        discriminator: Untrained; logits (B, 1, H, W) of images (B, 3, H, W).
        distances: Frozen networks that compare images, by name: "perceptual", "lpips", "dists".
            Each counts with the option NAME_weight.
    """

    def __init__(
        self,
        config: KDSRConfig,
        options: StageOptions,
        *,
        composed: bool,
        teacher: KDSRTeacher | None,
        discriminator: nn.Module,
        distances: Mapping[str, nn.Module],
    ) -> None:
        super().__init__(config, options, composed=composed, teacher=teacher, name="gan")
        self.discriminator, self.distances = discriminator, dict(distances)

    def parts(self) -> dict[str, nn.Module]:
        """The student, then the discriminator where its verdict has a weight."""
        if self.options.gan_weight == 0:
            return {"model": self.model}
        return {"model": self.model, "discriminator": self.discriminator}

    def to(self, device: torch.device) -> None:
        """Moves everything there, trained or not."""
        super().to(device)
        for distance in self.distances.values():
            distance.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def rests(self, part: str, losses: Mapping[str, Tensor]) -> bool:
        """The discriminator does where it is far ahead; see `StageOptions.adaptive_d`."""
        limit = self.options.adaptive_d
        if part != "discriminator" or limit == 0:
            return False
        return float(losses["gan"]) > limit * self.options.gan_weight

    def losses(self, part: str, forward: Mapping[str, Forward], batch: Batch) -> dict[str, Tensor]:
        """The losses of the student or of the discriminator."""
        if part == "discriminator":
            return self._judge(forward, batch)
        sr, idr_full = self._run(forward, batch)
        batch.sr = sr.detach()
        seen, wanted = self._seen(sr, batch), self._wanted(batch)
        losses = self._compare(sr, batch, wanted) | self._distil(idr_full, batch)
        # Samples are drawn by chance, so that the first ones stand for all.
        some = slice(math.ceil(self.options.perceptual_share * len(seen)))
        for name, distance in self.distances.items():
            weight = getattr(self.options, f"{name}_weight")
            if weight > 0:
                like = self._seen(wanted[some], batch)
                losses[name] = weight * distance(seen[some], like).mean()
        if self.options.gan_weight > 0:
            # Called bare, not as wrapped for several devices: it is not its turn to learn.
            verdict = self.discriminator(seen)
            losses["gan"] = self.options.gan_weight * vanilla_gan_loss(verdict, real=True)
        return losses

    def _seen(self, images: Tensor, batch: Batch) -> Tensor:
        """What perceptual network and discriminator look at: images shifted, then shrunk.

        Channels come last: at full resolution both then take half the time on a CPU, too.
        """
        moved, shrink = shifted(images, batch.step, self.options.shift), self.options.shrink
        seen = F.avg_pool2d(moved, shrink) if shrink > 1 else moved
        return seen.contiguous(memory_format=torch.channels_last)

    def _judge(self, forward: Mapping[str, Forward], batch: Batch) -> dict[str, Tensor]:
        assert batch.sr is not None, "the model's turn comes first"
        # One pass for both, as spectral norm changes with every pass. There is no batch norm
        # that would mix the two.
        both = self._seen(torch.cat((batch.gt, batch.sr)), batch)
        verdicts: Tensor = forward["discriminator"](both)  # pyright: ignore[reportAssignmentType]
        real, fake = verdicts.chunk(2)
        return {
            "real": vanilla_gan_loss(real, real=True),
            "fake": vanilla_gan_loss(fake, real=False),
        }
