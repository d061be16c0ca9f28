"""Saves and loads training state: atomic, rotating, verified by hashes, optionally in shards."""

import hashlib
import io
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from kdsr.atomic import writing
from kdsr.errors import CheckpointError


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one stage in a run's folder.

    A checkpoint is a manifest `STAGE-STEP.json` (written last) and one or more `.pt` shards.

    Attributes:
        folder: Folder of the run's checkpoints.
        stage: Name of the stage.
        keep: Number of checkpoints to keep.
        shard_bytes: Size limit of a shard in bytes; 0 for one file.
    """

    folder: Path
    stage: str
    keep: int = 2
    shard_bytes: int = 0

    def manifests(self) -> list[Path]:
        """Manifests of complete checkpoints, oldest first."""
        return sorted(self.folder.glob(f"{self.stage}-*.json"))

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Writes a checkpoint, then removes old ones.

        Raises:
            CheckpointError: If it cannot be written, for example because the disk is full.
        """
        buffer = io.BytesIO()
        torch.save(state, buffer)
        stem = self._stem(step)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write(stem, step, buffer.getbuffer())
        except OSError as error:
            whole = self.manifests()
            kept = f"the newest whole one is {whole[-1].stem}" if whole else "none exists yet"
            raise CheckpointError(
                f"cannot write the checkpoint {stem} to {self.folder}: {error.strerror}; {kept}. "
                "Make room and run the same command again: it resumes from there"
            ) from None
        self._rotate(step)

    def _write(self, stem: str, step: int, data: memoryview) -> None:
        size = self.shard_bytes or len(data)
        shards = []
        try:
            for index, start in enumerate(range(0, len(data), size)):
                part = data[start : start + size]
                name = f"{stem}.{index:03d}.pt"
                with writing(self.folder / name) as temporary:
                    temporary.write_bytes(part)
                shards.append({"name": name, "sha256": hashlib.sha256(part).hexdigest()})
            with writing(self.folder / f"{stem}.json") as temporary:
                temporary.write_text(json.dumps({"step": step, "shards": shards}, indent=1))
        except OSError:
            if not (self.folder / f"{stem}.json").exists():
                for shard in shards:
                    (self.folder / shard["name"]).unlink()
            raise

    def _rotate(self, step: int) -> None:
        """Keeps the newest checkpoints up to a step; later ones belong to an abandoned run."""
        stems = [manifest.stem for manifest in self.manifests()]
        kept = [stem for stem in stems if stem <= self._stem(step)][-self.keep :]
        for stem in stems:
            if stem not in kept:
                (self.folder / f"{stem}.json").unlink()
        for shard in self.folder.glob(f"{self.stage}-*.pt"):
            if shard.name.split(".")[0] not in kept:
                shard.unlink()

    def _stem(self, step: int) -> str:
        return f"{self.stage}-{step:08d}"

    def load(self, say: Callable[[str], None]) -> dict[str, Any] | None:
        """Loads the newest checkpoint that is whole; returns None if there is no checkpoint.

        Args:
            say: Receives a line about each damaged checkpoint that is skipped.

        Raises:
            CheckpointError: If all checkpoints are damaged.
        """
        damage = []
        for manifest in reversed(self.manifests()):
            try:
                state = self._read(manifest)
            except CheckpointError as error:
                damage.append(str(error))
                continue
            for words in damage:
                say(f"{words}; resuming from the one before it, {manifest.stem}")
            return state
        if damage:
            raise CheckpointError(
                f"no checkpoint of the {self.stage} in {self.folder} is whole: "
                f"{'; '.join(damage)}. Copy them again, or delete them to start the {self.stage} "
                "anew"
            )
        return None

    def _read(self, manifest: Path) -> dict[str, Any]:
        try:
            data = b"".join(self._shards(manifest))
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        except (
            ValueError, LookupError, TypeError, OSError, RuntimeError, pickle.UnpicklingError
        ) as error:  # fmt: skip
            raise CheckpointError(f"the checkpoint {manifest} is damaged: {error}") from None

    def _shards(self, manifest: Path) -> list[bytes]:
        parts = []
        for shard in json.loads(manifest.read_text())["shards"]:
            path = self.folder / shard["name"]
            if not path.is_file():
                raise ValueError(f"{shard['name']} is missing")
            part = path.read_bytes()
            if hashlib.sha256(part).hexdigest() != shard["sha256"]:
                raise ValueError(f"{shard['name']} has another checksum than when it was written")
            parts.append(part)
        return parts
