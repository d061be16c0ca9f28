"""Puts an exported model and its card on the Hugging Face Hub.

    python train/publish.py runs/general/kdsr-s-x4.safetensors OWNER/REPO --yes

Log in first (`hf auth login`, or set HF_TOKEN). Without --yes it only shows what it would send.
"""

import argparse
import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

from kdsr import KDSR, KDSRError
from kdsr.errors import HubError
from kdsr.files.weights import load_checkpoint


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="train/publish.py", description=__doc__)
    parser.add_argument("weights", type=Path, help="what train/run.py exported, .safetensors")
    parser.add_argument("repo", help="OWNER/REPO; made if it does not exist")
    parser.add_argument("--private", action="store_true", help="make a new repo private")
    parser.add_argument("--yes", action="store_true", help="send it")
    arguments = parser.parse_args(argv)
    try:
        print(publish(arguments.weights, arguments.repo, arguments.private, arguments.yes))  # noqa: T201
    except KDSRError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def publish(weights: Path, repo: str, private: bool = False, really: bool = True) -> str:
    """Uploads weights and card in one commit.

    Args:
        weights: A student exported by `train.export`, its card beside it.
        repo: OWNER/REPO.
        private: Whether a repo that is made now is private.
        really: False only describes what would be done.

    Returns:
        What was or would be done, in words, with the entry for `kdsr/catalog.json`.

    Raises:
        HubError: If the Hub refuses.
        KDSRError: If the weights are no student or the card is missing.
    """
    if repo.count("/") != 1 or not all(repo.split("/")):
        raise HubError(f"expected owner/name for the repository, got {repo!r}")
    model = load_checkpoint(weights)
    if not isinstance(model, KDSR):
        raise HubError(f"{weights} is a teacher; people can only use students")
    card = read_card(weights)
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    files = f"{weights.name} ({weights.stat().st_size:,} bytes, sha256 {sha256}) and README.md"
    if not really:
        return f"would send {files} to {repo}; add --yes to do it"
    operations = [
        CommitOperationAdd(weights.name, weights),
        CommitOperationAdd("README.md", card.encode()),
    ]
    api = HfApi()
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        commit = api.create_commit(repo, operations, commit_message=f"Add {weights.stem}")
    except (HfHubHTTPError, LocalTokenNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise HubError(
            f"the Hub at {api.endpoint} did not take {weights.name}: {reason}; log in with "
            "`hf auth login` or set HF_TOKEN, and see that you may write to the repository"
        ) from None
    return f"sent {files}: {commit.commit_url}; revision {commit.oid}"


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
