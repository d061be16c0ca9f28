"""Writes a Hugging Face model card: text for people, and metadata that the Hub reads."""

from typing import Any

import yaml

from .facts import PAPER, ModelFacts, plain_name

PROTOCOL = "inputs degraded like the training data"


def card(facts: ModelFacts) -> str:
    """The card of a newly trained model: Markdown after a YAML front matter."""
    config, metadata = facts.config, facts.metadata
    rows = "\n".join(f"| {s.images} | {s.psnr:.2f} | {s.plain:.2f} |" for s in facts.scores)
    measured = (
        f"PSNR on luma in dB, on {PROTOCOL}:\n\n"
        f"| set | {facts.name} | {plain_name(config.scale)} |\n|---|---|---|\n{rows}\n"
        if rows
        else "Nothing was measured during training (`--validate FOLDER` does).\n"
    )
    options = "\n".join(f"{key}: {value}" for key, value in facts.recipe.items())
    chosen = f"the best {metadata['chosen_by']}; " if "chosen_by" in metadata else ""
    adversarial = metadata["stage"] == "gan" and facts.recipe["gan.gan_weight"] > 0
    words = "student with adversarial training" if adversarial else "student"
    return f"""---
{yaml.safe_dump(_front_matter(facts), sort_keys=False, allow_unicode=True)}---
# {facts.name}

KDSR {words}, x{config.scale}, {facts.parameters:,} parameters ({config.n_feats}
features, {config.n_blocks} blocks, {config.n_resblocks} estimator blocks), for
{facts.trained_on}. Trained for {facts.steps:,} steps
{"" if facts.finished else "(unfinished) "}in {metadata["hours"]} hours; {chosen}averaged weights.
Fingerprint of the training images: `{metadata["data_fingerprint"]}`. The method: [Knowledge
Distillation based Degradation Estimation for Blind Super-Resolution]({PAPER}), ICLR 2023.

## Use

    kdsr upscale photo.jpg --model {facts.path.name}

or, in ComfyUI, put the file into `models/kdsr` and choose it in Load KDSR.

## Measured

{measured}
## Options that decided it

```
{options}
```
"""


def _front_matter(facts: ModelFacts) -> dict[str, Any]:
    results = [
        {
            "task": {"type": "image-to-image", "name": _task(facts.config.scale)},
            "dataset": {"type": score.images, "name": f"{score.images}, {PROTOCOL}"},
            "metrics": [
                {"type": "psnr", "name": "PSNR on luma, dB", "value": round(score.psnr, 2)}
            ],
        }
        for score in facts.scores
    ]
    return {
        "license": facts.metadata["licence"].lower(),
        "library_name": "kdsr",
        "pipeline_tag": "image-to-image",
        "tags": [*_tags(facts.config.scale), "kdsr", "comfyui"],
        **({"model-index": [{"name": facts.name, "results": results}]} if results else {}),
    }


def _task(scale: int) -> str:
    return "image restoration" if scale == 1 else f"x{scale} super-resolution"


def _tags(scale: int) -> tuple[str, ...]:
    if scale == 1:
        return "image-restoration", "blind-image-restoration"
    return "super-resolution", "blind-super-resolution"


def with_thumbnail(text: str, url: str) -> str:
    """Adds a picture to a card, both in its YAML (for the Hub) and below its title."""
    _, front, body = text.split("---\n", 2)
    title, rest = body.split("\n", 1)
    shown = f"{title}\n\n![Left: the input. Right: the result.]({url})\n{rest}"
    return f"---\n{front}thumbnail: {url}\n---\n{shown}"


def config(facts: ModelFacts) -> dict[str, Any]:
    """The content of `config.json`: the network's shape. The Hub counts downloads by this file."""
    shape = facts.config
    return {
        "architecture": "KDSR",
        "model": facts.name,
        "weights": facts.path.name,
        "scale": shape.scale,
        "n_feats": shape.n_feats,
        "n_blocks": shape.n_blocks,
        "n_resblocks": shape.n_resblocks,
    }
