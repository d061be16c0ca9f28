"""The averaged weights as a file that people can use, and a card that says what they are."""

import json
from pathlib import Path
from typing import Any

import torch

import kdsr
from kdsr.atomic import writing
from kdsr.files.weights import save_checkpoint
from train.cards.card import card
from train.cards.facts import ModelFacts
from train.loop.loop import Loop


def export_model(loop: Loop) -> Path:
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
        "data_fingerprint": loop.session.data_fingerprint,
        "metrics": json.dumps({name: round(value, 4) for name, value in loop.metrics.items()}),
        "recipe": json.dumps(options.decisive(stage.name), default=str),
        "kdsr_version": kdsr.__version__,
    }
    model: Any = loop.learner.ema.module
    save_checkpoint(model, path, metadata)
    if stage.name in ("teacher", "control"):
        return path
    path = options.out / f"{options.model_name}.safetensors"
    dtype = torch.float16 if options.half else torch.float32
    save_checkpoint(model, path, {**metadata, "name": path.stem}, dtype)
    with writing(path.with_suffix(".md")) as temporary:
        temporary.write_text(card(ModelFacts.read(path)), encoding="utf-8")
    return path
