"""Exports the averaged weights of a stage as safetensors, with a model card."""

import copy
import json
from pathlib import Path
from typing import cast

import torch

import kdsr
from kdsr import KDSR, KDSRTeacher
from kdsr.atomic import writing
from kdsr.files.weights import save_checkpoint
from kdsr.tiles.work import DTYPES
from train.cards.card import card
from train.cards.facts import ModelFacts
from train.loop.loop import Loop

_DTYPES = DTYPES | {"int8": torch.int8}


def export_model(loop: Loop) -> Path:
    """Writes a stage's averaged weights as safetensors, with metadata about the training.

    Models that upscale (student, gan) are also written under the model's name, with a card.

    Returns:
        The path of the named model, or for teacher and control the path of the stage's weights.
    """
    options, stage = loop.options, loop.stage
    path = options.weights_of(stage.name)
    model, metadata = _exported(loop)
    save_checkpoint(model, path, {**metadata, "name": path.stem})
    if stage.name in ("teacher", "control"):
        return path
    path = options.out / f"{options.model_name}.safetensors"
    save_checkpoint(model, path, {**metadata, "name": path.stem}, _DTYPES[options.storage])
    with writing(path.with_suffix(".md")) as temporary:
        temporary.write_text(card(ModelFacts.read(path)), encoding="utf-8")
    return path


def _exported(loop: Loop) -> tuple[KDSR | KDSRTeacher, dict[str, str]]:
    """The model to export, with the best weights if `best` is set, and its metadata."""
    options, stage, data = loop.options, loop.stage, loop.session.data
    model = copy.deepcopy(cast("KDSR | KDSRTeacher", loop.learner.ema.module))
    step, seconds, metrics, chosen = loop.step, loop.seconds, loop.metrics, {}
    if best := loop.best.kept:
        model.load_state_dict(best["model"])
        step, seconds, metrics = best["step"], best["seconds"], best["metrics"]
        chosen = {"chosen_by": f"by {options.best} of {loop.step:,} steps"}
    return model, {
        "licence": options.licence,
        "stage": stage.name,
        "degradation": " and ".join(options.degradation.used),
        "steps": str(step),
        "hours": f"{seconds / 3600:.2f}",
        "data_fingerprint": data.fingerprint,
        "metrics": json.dumps({name: round(value, 4) for name, value in metrics.items()}),
        "recipe": json.dumps(options.decisive(stage.name), default=str),
        "kdsr_version": kdsr.__version__,
        **({"pairs": str(len(data.pairs))} if data.pairs is not None else {}),
        **chosen,
    }
