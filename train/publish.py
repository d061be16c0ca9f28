"""Puts an exported model on the Hugging Face Hub, with its card, pictures and config.json.

    python train/publish.py runs/general/kdsr-s-x4.safetensors OWNER/REPO --yes
    python train/publish.py kdsr/weights/kdsr-s-x4.safetensors OWNER/REPO --listing DIR --author ME

Log in first (`hf auth login`, or set HF_TOKEN). Without --yes the command only shows what it would
send. --listing also writes the model's entry for OpenModelDB, an open index of upscalers.
"""

import argparse
import datetime as dt
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

from kdsr import KDSRError
from kdsr.atomic import writing
from kdsr.errors import HubError
from train.cards.card import config, with_thumbnail
from train.cards.facts import ModelFacts
from train.cards.showing import SamplePair, listing

SAMPLES = (Path(__file__).resolve().parents[1] / "samples/example.png",)
"""Images that the model's page shows by default."""


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="train/publish.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "weights", type=Path, help="weights that train/run.py exported (.safetensors)"
    )
    parser.add_argument("repo", help="OWNER/REPO; created if absent")
    parser.add_argument(
        "--private", action="store_true", help="make a newly created repository private"
    )
    parser.add_argument("--yes", action="store_true", help="send it")
    parser.add_argument(
        "--samples", nargs="+", type=Path, default=SAMPLES, help="low-quality images to show"
    )
    parser.add_argument("--listing", type=Path, help="folder for the entry of OpenModelDB")
    parser.add_argument("--author", help="your id in OpenModelDB, for --listing")
    arguments = parser.parse_args(argv)
    if arguments.listing and not arguments.author:
        parser.error("--listing needs --author, your id in OpenModelDB")
    try:
        upload = Upload.prepare(arguments.weights, arguments.repo, arguments.samples)
        print(send(upload, arguments.private) if arguments.yes else upload.described())  # noqa: T201
        if arguments.listing:
            print(f"wrote {write_listing(upload, arguments.author, arguments.listing)}")  # noqa: T201
    except KDSRError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


@dataclass(frozen=True)
class Upload:
    """The content of a model's repository on the Hub."""

    repo: str
    """OWNER/REPO."""
    facts: ModelFacts
    """The facts that the weights file states."""
    files: dict[str, bytes]
    """Files beside the weights, by path in the repository."""
    pairs: tuple[SamplePair, ...]
    """Sample pictures, which `files` also holds."""

    @classmethod
    def prepare(cls, weights: Path, repo: str, samples: Sequence[Path]) -> "Upload":
        """Reads the weights and their card, and upscales the sample images.

        Raises:
            HubError: If `repo` has another form or there is no card.
            KDSRError: If the weights are no exported student, or an image cannot be read.
        """
        if repo.count("/") != 1 or not all(repo.split("/")):
            raise HubError(f"expected owner/name for the repository, got {repo!r}")
        facts = ModelFacts.read(weights)
        card = with_thumbnail(read_card(weights), address(repo, "thumbnail.jpg"))
        pairs = tuple(SamplePair.make(facts.model, path) for path in samples)
        files = {
            "README.md": card.encode(),
            "config.json": json.dumps(config(facts), indent=2).encode(),
            "thumbnail.jpg": pairs[0].thumbnail(),
        }
        for pair in pairs:
            files |= {f"samples/{name}": content for name, content in pair.files().items()}
        return cls(repo, facts, files, pairs)

    def described(self) -> str:
        """A sentence that says what would be sent."""
        return f"would send {self._listed()} to {self.repo}; add --yes to do it"

    def _listed(self) -> str:
        facts = self.facts
        weights = f"{facts.path.name} ({facts.size:,} bytes, sha256 {facts.sha256})"
        return ", ".join([weights, *self.files])

    def done(self, url: str, revision: str) -> str:
        """A sentence that says what was sent, with the revision for `kdsr/files/catalog.json`."""
        return f"sent {self._listed()}: {url}; revision {revision}"


def send(upload: Upload, private: bool = False) -> str:
    """Uploads everything in one commit.

    Args:
        upload: The content of the repository.
        private: Whether to make a newly created repository private.

    Returns:
        A sentence that says what was sent.

    Raises:
        HubError: If the Hub refuses.
    """
    weights = upload.facts.path
    operations = [CommitOperationAdd(weights.name, weights)]
    operations += [CommitOperationAdd(name, content) for name, content in upload.files.items()]
    api = HfApi()
    try:
        api.create_repo(upload.repo, private=private, exist_ok=True)
        message = f"Add {weights.stem}"
        commit = api.create_commit(upload.repo, operations, commit_message=message)
    except (HfHubHTTPError, LocalTokenNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise HubError(
            f"the Hub at {api.endpoint} did not take {weights.name}: {reason}; log in with "
            "`hf auth login` or set HF_TOKEN, and see that you may write to the repository"
        ) from None
    return upload.done(commit.commit_url, commit.oid)


def write_listing(upload: Upload, author: str, folder: Path) -> Path:
    """Writes the model's entry for OpenModelDB; returns the file.

    Args:
        upload: The published content that the entry links to.
        author: Your OpenModelDB id.
        folder: Folder of the entry; created if absent.

    Raises:
        HubError: If the author or the model's name is not a valid OpenModelDB id.
    """
    pairs = [
        (address(upload.repo, f"samples/{lq}"), address(upload.repo, f"samples/{sr}"))
        for lq, sr in (tuple(pair.files()) for pair in upload.pairs)
    ]
    url = address(upload.repo, upload.facts.path.name)
    today = dt.datetime.now(dt.timezone.utc).date()
    name, entry = listing(upload.facts, author, url, pairs, today)
    folder.mkdir(parents=True, exist_ok=True)
    with writing(folder / name) as temporary:
        temporary.write_text(json.dumps(entry, indent=4) + "\n", encoding="utf-8")
    return folder / name


def address(repo: str, file: str) -> str:
    """The download address of a file in a repository."""
    return f"https://huggingface.co/{repo}/resolve/main/{file}"


def read_card(weights: Path) -> str:
    """The model card beside the weights.

    Raises:
        HubError: If there is none.
    """
    path = weights.with_suffix(".md")
    if not path.is_file():
        raise HubError(f"expected a model card at {path}; train/run.py writes it with the weights")
    return path.read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
