"""Training state on disk: atomic, rotating, verified, and in shards when asked."""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from kdsr.atomic import replacing
from kdsr.errors import CheckpointError


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one stage in a run's folder.

    A checkpoint is a manifest `STAGE-STEP.json` (written last) and one or more `.pt` shards.

    Attributes:
        folder: Of the run's checkpoints.
        stage: Of this run.
        keep: How many are kept.
        shard_bytes: Largest shard, 0 for one file.
    """

    folder: Path
    stage: str
    keep: int = 2
    shard_bytes: int = 0

    def manifests(self) -> list[Path]:
        """Manifests of complete checkpoints, oldest first."""
        return sorted(self.folder.glob(f"{self.stage}-*.json"))

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Writes a checkpoint; what was there stays whole until it is complete."""
        self.folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        torch.save(state, buffer)
        data = buffer.getbuffer()
        size = self.shard_bytes or len(data)
        stem = f"{self.stage}-{step:08d}"
        shards = []
        for index, start in enumerate(range(0, len(data), size)):
            part = data[start : start + size]
            name = f"{stem}.{index:03d}.pt"
            with replacing(self.folder / name) as temporary:
                temporary.write_bytes(part)
            shards.append({"name": name, "sha256": hashlib.sha256(part).hexdigest()})
        with replacing(self.folder / f"{stem}.json") as temporary:
            temporary.write_text(json.dumps({"step": step, "shards": shards}, indent=1))
        self._rotate()

    def _rotate(self) -> None:
        for manifest in self.manifests()[: -self.keep]:
            manifest.unlink()
        kept = {manifest.stem for manifest in self.manifests()}
        for shard in self.folder.glob(f"{self.stage}-*.pt"):
            if shard.name.split(".")[0] not in kept:
                shard.unlink()

    def load(self) -> dict[str, Any] | None:
        """The newest checkpoint's state, or None if there is none.

        Raises:
            CheckpointError: If it is damaged; the message says what to do.
        """
        manifests = self.manifests()
        return self._read(manifests[-1]) if manifests else None

    def _read(self, manifest: Path) -> dict[str, Any]:
        try:
            shards = json.loads(manifest.read_text())["shards"]
            parts = []
            for shard in shards:
                part = (self.folder / shard["name"]).read_bytes()
                if hashlib.sha256(part).hexdigest() != shard["sha256"]:
                    raise ValueError(f"{shard['name']} has changed since it was written")
                parts.append(part)
            return torch.load(io.BytesIO(b"".join(parts)), map_location="cpu", weights_only=True)
        except (ValueError, KeyError, OSError, RuntimeError) as error:
            raise CheckpointError(
                f"the checkpoint {manifest} is damaged: {error}; delete {manifest.name} to go on "
                "from the one before it"
            ) from None
