"""The paper's three verbs on images of any size: estimate, upscale, bake."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import IDRError, ImageError, explaining_shortage
from ..estimation import estimate
from ..idr import IDR
from ..network.baked import BakedKDSR, bytes_per_pixel, can_fuse, range_of
from ..network.models import Student
from ..options import DEFAULT_TILING, UNWATCHED, Job, Size, Tiling
from ..pixels import (
    WORD,
    bleed,
    check_alpha,
    check_computed,
    check_images,
    check_out,
    group_of,
    on_grid,
    resize,
    resizing_bytes,
    store,
)
from ..tiles import plan_tiles
from ..tiles.work import SMALLEST_TILE, Tile, TileWork, free_memory, pick_dtype
from .comparing import DOUBTED, Canvas

if TYPE_CHECKING:
    from ..estimation.regions import Regions
    from .blending import Blender
    from .mending import Mender

_LARGEST_AUTO_TILE = 1024
_LARGEST_CPU_TILE = 320  # 512, beyond the caches, takes 4 % longer on a CPU and 60 MiB more
_LARGEST_WIDE_CPU_TILE = 176  # with many features: 320 takes 70 MiB more, up to 9 % less time
_WIDE = 64  # features from which a network is wide
_WIDTHS = 16  # windows are a multiple of it wide: others take up to 1.7 times as long in bf16
_MEMORY_SHARE = 0.5  # of the free memory, for what one step allocates
_CPU_STEP_PIXELS = 128 * 128  # smaller windows are batched up to this many pixels on a CPU
_GPU_STEP_PIXELS = 1024 * 1024
_LARGEST_BATCH = 32
_REMEDY = 'close other programs, or use overlap "fast" or a smaller image'

GrowingFn = Callable[[int, Tensor], None]
"""Called with the index of an image and the buffer that it and those after it are written into:
(n, 3, sH, sW), zero where nothing was written yet."""


@dataclass(frozen=True)
class Upscaler:
    """A model, and how it runs over images; costs nothing to make."""

    model: Student
    """Model, on the device to run on."""
    tiling: Tiling = DEFAULT_TILING

    def estimate(
        self,
        lq: Tensor,
        mask: Tensor | None = None,
        *,
        job: Job = UNWATCHED,
        provenance: dict[str, str] | None = None,
    ) -> IDR:
        """The IDR of each image; see `kdsr.estimation.estimate`."""
        return estimate(
            self.model, lq, mask=mask, tiling=self.tiling, job=job, provenance=provenance
        )

    def bake(self, idr: IDR) -> BakedKDSR:
        """Makes a plain module (B, 3, H, W) -> (B, 3, sH, sW) with this IDR built in."""
        return BakedKDSR.from_model(self.model, idr)

    @explaining_shortage("to upscale", _REMEDY)
    @torch.inference_mode()
    def upscale(
        self,
        lq: Tensor,
        idr: "IDR | Regions | None" = None,
        size: Size | None = None,
        *,
        alpha: Tensor | None = None,
        out: Tensor | None = None,
        growing: GrowingFn | None = None,
        job: Job = UNWATCHED,
    ) -> Tensor:
        """Upscales images into one tensor on the CPU; of any size, in bounded memory, seamlessly.

        With an exact overlap the result does not depend on tile or batch, up to float summation
        order. When memory runs out tiles become smaller and the work goes on. Regions are computed
        in their bounding boxes with the network's whole receptive field around them, so each equals
        the same region of the whole image upscaled with its IDR; they cost as much as these boxes.

        Args:
            lq: RGB in [0, 1], (B, 3, H, W), on any device; moved to the model's tile by tile. The
                overshoot of a resampling filter is accepted; see `kdsr.pixels`.
            idr: IDRs, one for each image or one for all, or regions with their own IDRs for all
                images; by default estimated from `lq`.
            size: Size of the result; by default the model's factor decides it. For another size the
                network's frames are resized with an antialiased bicubic filter, a few at a time.
            alpha: Opacity in [0, 1], (B, 1, H, W). Resized by a bicubic filter, apart from the
                colours; those of hidden pixels are replaced by their visible neighbours' first, so
                that edges get no fringe.
            out: Tensor (B, 3 or with alpha 4, height, width) on the CPU, of any strides, to write
                into: float, or uint8 for values rounded to 0-255 in a quarter of the memory. Where
                a region is not done yet, a float32 one shows the enlarged image.
            growing: Receives the buffer that is later resized into `out`, before it is filled.
            job: Receives the progress after each step, and may cancel before it.

        Returns:
            RGB, with `alpha` RGBA, clamped to [0, 1], float32 on the CPU; `out` if it was given.

        Raises:
            ImageError: If an image or `out` does not fit, or the result is not finite.
            ConfigError: If the device cannot run the dtype.
            IDRError: If `idr` is another model's or another batch's.
            OutOfMemoryError: If the result, or what a tile of the smallest size takes, does not
                fit.
            Cancelled: If the job says so; `out` is then partly written.
        """
        check_images(lq)
        full = Size.of(lq).scaled(self.model.config.scale)
        size = full if size is None else size
        if size.width < 1 or size.height < 1:
            raise ImageError(f"the output size must be at least 1 x 1 px, got {size}")
        if alpha is not None:
            check_alpha(alpha, lq)
        idr = self._fitting(idr, lq)
        network = self._network()
        plain = size == full and alpha is None
        at_once = group_of(len(lq), full)
        besides = 0 if plain else at_once * resizing_bytes(full, size)
        if idr is not None and not isinstance(idr, IDR):
            apart = plain and out is not None and out.dtype != torch.float32
            besides += self._blender(idr).bytes(full, apart=apart)
        out = check_out(out, (len(lq), 3 if alpha is None else 4, *size.shape), besides)
        if plain:
            self._fill(network, lq, idr, out, job)
            return out
        buffer = torch.empty(at_once, 3, *full.shape)
        pixels = Size.of(lq).pixels
        for first in range(0, len(lq), at_once):
            frames = slice(first, min(first + at_once, len(lq)))
            colour = lq[frames]
            if alpha is not None:
                colour = self._store_alpha(out[frames, 3:], colour, alpha[frames])
            sr = buffer[: len(colour)].zero_()
            if growing is not None:
                growing(first, sr)
            some = idr[frames] if isinstance(idr, IDR) and len(idr) > 1 else idr
            part = job.part(first * pixels, len(colour) * pixels, len(lq) * pixels)
            self._fill(network, colour, some, sr, job if at_once == len(lq) else part)
            store(out[frames, :3], resize(sr, size, self.tiling.wrap))
            if at_once < len(lq):
                job.report(frames.stop * pixels, len(lq) * pixels)
        return out

    @torch.inference_mode()
    def bands(
        self,
        lq: Tensor,
        idr: IDR,
        *,
        dtype: torch.dtype = torch.uint8,
        folder: Path | None = None,
        job: Job = UNWATCHED,
    ) -> Iterator[Tensor]:
        """Upscales one image; gives its rows as tiles finish, so that they never exist all at once.

        The same tiles as in `upscale`, mended in the same way, and so the same values.

        Args:
            lq: RGB in [0, 1] or uint8, (1, 3, H, W), on any device.
            idr: One IDR.
            dtype: Dtype of the bands, float32 or uint8; see `out` in `upscale`.
            folder: Folder of a file without a name for rows that may need repair; None for the
                system's temporary folder.
            job: Receives the progress after each step, and may cancel before it.

        Yields:
            Bands (3, h, sW) from top to bottom, on the CPU, laid out as (h, sW, 3). The next step
            reuses a band's memory.
        """
        check_images(lq, bytes_too=True)
        if len(lq) != 1 or len(idr) != 1:
            raise ImageError(f"expected one image and IDR, got {len(lq)} and {len(idr)}")
        self._fitting(idr, lq)
        network = self._network()
        bands = self._bands(network, lq, idr, dtype, job)
        if range_of(self.model) is None:
            yield from bands
        else:
            from .banding import mended  # only here: few results are written as they are made

            yield from mended(self._mender(network, idr), lq[0], bands, folder)

    def _bands(
        self, network: BakedKDSR, lq: Tensor, idr: IDR, dtype: torch.dtype, job: Job
    ) -> Iterator[Tensor]:
        """Yields the bands as the network makes them."""
        network.set_idr(self.model, idr)
        work, s, width = self._work(network, lq, job), network.scale, lq.shape[-1]
        spans = iter(work.plan.rows.spans)
        band, left, buffer = next(spans), 0, torch.empty(0, dtype=dtype)
        waiting: list[tuple[Tile, Tensor]] = []
        for step in work.steps():
            with step:
                results = _inner(step.tiles, network(step.windows()), s)
                waiting += zip(step.tiles, results, strict=True)
            while waiting:
                if not left:
                    left = band.length * width
                    buffer = _band(buffer, band.length * s, width * s)
                tile, sr = waiting.pop(0)
                top = (tile.row.start - band.start) * s
                rows = slice(top, top + tile.row.length * s)
                store(buffer[:, rows, tile.column.scaled(s).own], sr)
                left -= tile.row.length * tile.column.length
                if not left:
                    yield buffer
                    band = next(spans, band)

    def _fitting(self, idr: "IDR | Regions | None", lq: Tensor) -> "IDR | Regions | None":
        """The IDR, checked; regions that are one become it."""
        if idr is None:
            return None
        config, fingerprint = self.model.config, self.model.fingerprint
        if not isinstance(idr, IDR):
            idr.check_size(lq)
            idr.idr.check_model(fingerprint, config.n_feats)
            return idr if len(idr.parts) > 1 else idr.idr
        idr.check_model(fingerprint, config.n_feats)
        if len(idr) not in (1, len(lq)):
            raise IDRError(
                f"got {len(idr)} IDRs for {len(lq)} images; give one each or one for all"
            )
        return idr

    def _network(self) -> BakedKDSR:
        """The network, ready to run with any of the model's IDRs."""
        device = self.model.network.head.weight.device
        dtype = pick_dtype(self.tiling.dtype, device)
        network = BakedKDSR.from_model(self.model).cast_body(dtype)
        network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        network.fused = can_fuse(network.fuse.weight)
        return network

    def _store_alpha(self, target: Tensor, colour: Tensor, alpha: Tensor) -> Tensor:
        """Writes opacity, resized; returns the colours without what it hides."""
        opacity = alpha.float().cpu()
        resized = resize(opacity, Size.of(target), self.tiling.wrap)
        # The filter's weights sum to 1 almost; what is opaque must stay so when cut to 8 bits.
        store(target, on_grid(resized, WORD))
        return bleed(colour.float().cpu(), opacity)

    def _fill(
        self, network: BakedKDSR, lq: Tensor, idr: "IDR | Regions | None", out: Tensor, job: Job
    ) -> None:
        """Writes what the network makes, tile by tile; its IDR is set here."""
        if idr is None:
            idr = self.estimate(lq, job=job.silent())
        if not isinstance(idr, IDR):
            self._blender(idr).blend(lq, out, partial(self._fill, network), job)
            return
        work = self._work(network, lq, job)
        indices = list(range(len(lq)))
        # Images that share an IDR go together, else one after another.
        groups = [indices] if len(idr) == 1 else [[index] for index in indices]
        for row, group in enumerate(groups):
            network.set_idr(self.model, idr[row])
            for step in work.steps(group):
                with step:
                    _write(out, step.tiles, network(step.windows()), network.scale)
        for index, (image, made) in enumerate(zip(lq, out, strict=True)):
            job.check()
            own, canvas = idr[index] if len(idr) > 1 else idr, Canvas(image, made)
            if range_of(self.model) is not None and canvas.is_off(_doubted(own)):
                self._mender(network, own).mend(canvas)

    def _mender(self, network: BakedKDSR, idr: IDR) -> "Mender":
        from .mending import Mender  # only here: few results need repair

        return Mender(self.model, network, self.tiling.wrap, _doubted(idr))

    def _blender(self, regions: "Regions") -> "Blender":
        from .blending import Blender  # only here: few images have regions

        return Blender(self.model, regions, self.tiling.wrap)

    def _work(self, network: BakedKDSR, lq: Tensor, job: Job) -> TileWork:
        """The tiles of the images, as large and as many at a time as the device likes."""
        tiling, weight = self.tiling, network.fuse.weight
        on_cpu, halo = weight.device.type == "cpu", tiling.halo(network.halo)
        tile, batch = tiling.tile, tiling.batch
        if isinstance(tile, str):
            per_pixel = bytes_per_pixel(network.config, weight.element_size())
            fits = int((free_memory(weight.device) * _MEMORY_SHARE / per_pixel) ** 0.5) - 2 * halo
            largest = _LARGEST_AUTO_TILE
            if on_cpu:
                wide = network.config.n_feats >= _WIDE
                largest = _LARGEST_WIDE_CPU_TILE if wide else _LARGEST_CPU_TILE
            largest += -(largest + 2 * halo) % _WIDTHS
            tile = max(SMALLEST_TILE, min(largest, fits))
        plan = plan_tiles(Size.of(lq), tile, halo, wrap=tiling.wrap, multiple=_WIDTHS)
        if isinstance(batch, str):
            pixels = _CPU_STEP_PIXELS if on_cpu else _GPU_STEP_PIXELS
            batch = max(1, min(_LARGEST_BATCH, pixels // plan.window_pixels))
        return TileWork(lq, plan, weight.device, batch=batch, job=job, remedy=_REMEDY)


def _doubted(idr: IDR) -> bool:
    """Whether most cells of the image look unlike a photograph."""
    return bool(idr.left_out > DOUBTED)


def _write(out: Tensor, tiles: Sequence[Tile], results: Tensor, scale: int) -> None:
    """Writes what lies between the halos of tiles."""
    for tile, sr in zip(tiles, _inner(tiles, results, scale), strict=True):
        rows, columns = tile.row.scaled(scale), tile.column.scaled(scale)
        store(out[tile.image][:, rows.own, columns.own], sr)


def _inner(tiles: Sequence[Tile], results: Tensor, scale: int) -> list[Tensor]:
    """Parts of the windows between the halos, (3, h, w) each."""
    found = []
    for tile, sr in zip(tiles, results, strict=True):
        rows, columns = tile.row.scaled(scale), tile.column.scaled(scale)
        found.append(sr[:, rows.inner, columns.inner])
        check_computed(found[-1])
    return found


def _band(buffer: Tensor, height: int, width: int) -> Tensor:
    """Room for a band, the same again if it fits: (3, height, width), laid out as (h, w, 3)."""
    needed = height * width * 3
    flat = buffer.movedim(0, -1).reshape(-1) if buffer.numel() == needed else None
    flat = torch.empty(needed, dtype=buffer.dtype) if flat is None else flat
    return flat.view(height, width, 3).movedim(-1, 0)
