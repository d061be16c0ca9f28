"""The averaged weights as a file that people can use."""

import dataclasses
import json
from pathlib import Path

from kdsr.checkpoint import save_checkpoint
from train.loop import Loop


def export_model(loop: Loop, data_fingerprint: str) -> Path:
    """Writes the stage's averaged weights as safetensors, with how they were made.

    Returns:
        `OUT/teacher.safetensors`, or `OUT/NAME.safetensors` for a student.
    """
    options, stage = loop.options, loop.stage
    name = options.model_name if stage.name == "student" else stage.name
    path = options.out / f"{name}.safetensors"
    model = loop.ema.module
    save_checkpoint(
        model,
        path,
        {
            "name": name,
            "licence": "Apache-2.0",
            "stage": stage.name,
            "steps": str(loop.step),
            "hours": f"{loop.seconds / 3600:.2f}",
            "data_fingerprint": data_fingerprint,
            "recipe": json.dumps(dataclasses.asdict(options), default=str),
        },
    )
    return path
