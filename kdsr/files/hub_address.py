"""How a file on the Hugging Face Hub is named."""

import os
import re
from dataclasses import dataclass

from ..errors import HubError

_NAME = re.compile(r"\w(?:[\w.-]{0,94}\w)?", re.ASCII)
"""What the Hub allows as an owner or a repository, `--` and `..` apart."""
_REVISION = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)*", re.ASCII)
"""A commit, a tag, a branch or `refs/pr/1`: no part of it leads upwards."""


@dataclass(frozen=True)
class HubFile:
    """A file on the Hub.

    Attributes:
        repo: `owner/repo`.
        file: Path in the repository.
        revision: Commit, tag or branch.
    """

    repo: str
    file: str
    revision: str = "main"

    @classmethod
    def parse(cls, text: str) -> "HubFile":
        """Reads `[hf://]owner/repo/path/file.safetensors[@revision]`.

        Raises:
            HubError: If it has another form.
        """
        address, _, revision = text.removeprefix("hf://").partition("@")
        owner, _, rest = address.partition("/")
        repo, _, file = rest.partition("/")
        named = all(_NAME.fullmatch(n) and not re.search(r"--|\.\.", n) for n in (owner, repo))
        parts = file.split("/")
        inside = all(re.fullmatch(r"[\w.-]+", part) and set(part) != {"."} for part in parts)
        if not named or not inside or not file.endswith(".safetensors"):
            raise HubError(
                f"cannot read {text[:200]!r}: expected hf://owner/repo/file.safetensors[@revision]"
            )
        if "@" in text and not _REVISION.fullmatch(revision):
            raise HubError(
                f"cannot read the revision {revision!r} in {text[:200]!r}: expected a commit, a "
                "tag or a branch"
            )
        return cls(f"{owner}/{repo}", file, revision or "main")

    @property
    def url(self) -> str:
        """Where it can be fetched by hand."""
        endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
        return f"{endpoint}/{self.repo}/resolve/{self.revision}/{self.file}"
