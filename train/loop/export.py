"""The averaged weights as a file that people can use, and a card that says what they are."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import kdsr
from kdsr.atomic import writing
from kdsr.files.weights import save_checkpoint

if TYPE_CHECKING:
    from train.loop.loop import Loop


def export_model(loop: "Loop") -> Path:
    """Writes a stage's averaged weights as safetensors, with how they were made.

    What people can upscale with (student, gan) is written under the model's name too, with a card.

    Returns:
        The path for people, or where the stages that build on it look.
    """
    options, stage = loop.options, loop.stage
    path = options.weights_of(stage.name)
    metadata = {
        "name": path.stem,
        "licence": options.licence,
        "stage": stage.name,
        "degradation": options.degradation.kind,
        "steps": str(loop.step),
        "hours": f"{loop.seconds / 3600:.2f}",
        "data_fingerprint": loop.data_fingerprint,
        "metrics": json.dumps({name: round(value, 4) for name, value in loop.metrics.items()}),
        "recipe": json.dumps(options.decisive(stage.name), default=str),
        "kdsr_version": kdsr.__version__,
    }
    model: Any = loop.ema.module
    save_checkpoint(model, path, metadata)
    if stage.name in ("teacher", "control"):
        return path
    path = options.out / f"{options.model_name}.safetensors"
    dtype = torch.float16 if options.half else torch.float32
    save_checkpoint(model, path, {**metadata, "name": path.stem}, dtype)
    with writing(path.with_suffix(".md")) as temporary:
        temporary.write_text(_card(loop, path, metadata), encoding="utf-8")
    return path


def _card(loop: "Loop", path: Path, metadata: dict[str, str]) -> str:
    """A Hugging Face model card."""
    config = loop.stage.model.config
    parameters = sum(p.numel() for p in loop.stage.model.parameters())
    sets = sorted(name for name in loop.metrics if name.startswith("psnr_y_"))
    rows = "\n".join(
        f"| {name[7:]} | {loop.metrics[name]:.2f} | {loop.metrics[f'bicubic_{name}']:.2f} |"
        for name in sets
    )
    measured = (
        "PSNR on luma in dB, on inputs degraded like the training data:\n\n"
        f"| set | {path.stem} | bicubic |\n|---|---|---|\n{rows}\n"
        if rows
        else "Nothing was measured during training (`--validate FOLDER` does).\n"
    )
    options = "\n".join(f"{key}: {value}" for key, value in json.loads(metadata["recipe"]).items())
    words = "student with adversarial training" if loop.stage.name == "gan" else "student"
    finished = loop.step == loop.stage_options.steps
    return f"""---
license: {metadata["licence"].lower()}
library_name: kdsr
pipeline_tag: image-to-image
tags: [super-resolution, blind-super-resolution, kdsr, comfyui]
---
# {path.stem}

KDSR {words}, x{config.scale}, {parameters:,} parameters ({config.n_feats}
features, {config.n_blocks} blocks, {config.n_resblocks} estimator blocks), for
`{metadata["degradation"]}` degradations. Trained for {loop.step:,} steps
{"" if finished else "(unfinished) "}in {metadata["hours"]} hours; averaged weights. Fingerprint of
the training images: `{loop.data_fingerprint}`.

## Use

    kdsr upscale photo.jpg --model {path.name}

or, in ComfyUI, put the file into `models/kdsr` and choose it in Load KDSR.

## Measured

{measured}
## Options that decided it

```
{options}
```
"""
