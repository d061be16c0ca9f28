"""The entry of a model in OpenModelDB, the open index of upscalers (openmodeldb.info).

Its schema: https://github.com/OpenModelDB/open-model-database, src/lib/schema.ts.
"""

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

from kdsr.errors import HubError

from .facts import PAPER, ModelFacts

_ID = re.compile(r"[a-zA-Z0-9]+(?:-[a-zA-Z0-9]+)*")
_TAGS = {
    "classic": ("deblur",),
    "general": ("deblur", "denoise", "jpeg", "restoration"),
    "realworld": ("deblur", "denoise", "jpeg", "restoration"),
}
"""Tags for what each kind of training removes, in the index's own words."""


def listing(
    facts: ModelFacts, author: str, url: str, pairs: Sequence[tuple[str, str]], date: dt.date
) -> tuple[str, dict[str, Any]]:
    """The index's file name and content for a model.

    Args:
        facts: Of the model.
        author: The author's id in the index.
        url: Where the weights can be downloaded.
        pairs: Addresses of (LQ, SR) pictures.
        date: Of publication.

    Raises:
        HubError: If the author or the model's name is no id as the index writes them.
    """
    scale = facts.config.scale
    name = facts.name.replace(f"-x{scale}", "")  # the index states the scale by itself
    for what, value in (("author", author), ("name of the model", name)):
        if not _ID.fullmatch(value):
            raise HubError(
                f"the {what} {value!r} is no id of the index: expected letters and digits, with "
                "single hyphens between"
            )
    recipe, config = facts.recipe, facts.config
    removed = [tag for kind in facts.metadata["degradation"].split(" and ") for tag in _TAGS[kind]]
    words = (
        f"[KDSR]({PAPER}), size {config.preset_name or 'custom'}: estimates how an image was "
        f"degraded, then restores it accordingly. Trained on {facts.trained_on}. Give it whole "
        "images: tiles with estimates of their own differ from each other."
    )
    entry = {
        "name": name,
        "author": author,
        "license": facts.metadata["licence"],
        "tags": [*dict.fromkeys(removed), "photo", "research"],
        "description": words,
        "date": date.isoformat(),
        "architecture": "kdsr",
        "size": [f"{config.n_feats}nf", f"{config.n_blocks}nb", f"{config.n_resblocks}rb"],
        "scale": scale,
        "inputChannels": 3,
        "outputChannels": 3,
        "resources": [
            {
                "platform": "pytorch",
                "type": "safetensors",
                "size": facts.size,
                "sha256": facts.sha256,
                "urls": [url],
            }
        ],
        "trainingIterations": facts.steps,
        "trainingBatchSize": recipe["batch"],
        "trainingHRSize": recipe["patch"] * scale,
        "trainingOTF": "pairs" not in facts.metadata or recipe["lq_share"] < 1,
        "images": [{"type": "paired", "LR": lq, "SR": sr} for lq, sr in pairs],
    }
    return f"{scale}x-{name}.json", entry
