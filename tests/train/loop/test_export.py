import base64
import hashlib
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import torch
import yaml
from huggingface_hub import ModelCardData
from PIL import Image
from safetensors.torch import load_file

import kdsr
from kdsr import KDSR, KDSRError
from kdsr.files.weights import load_checkpoint
from tests.support.places import ROOT
from tests.support.train_runs import PHOTOS, tiny_recipe
from train.cards.card import card
from train.cards.facts import ModelFacts
from train.loop.checkpoints import Checkpoints
from train.publish import main as publish
from train.publish import read_card
from train.run import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    recipe = tiny_recipe(folder, variant="test", hold_out=1, ema=0.9, licence="CC0-1.0")
    assert main([recipe, "--validate", f"[{PHOTOS}]"]) == 0
    return folder / "run"


def test_the_export_is_the_averaged_student_with_all_that_made_it(run: Path) -> None:
    model = load_checkpoint(run / "kdsr-s-x4-test.safetensors")
    assert isinstance(model, KDSR)
    saved = Checkpoints(run / "checkpoints", "student").load(print)
    assert saved is not None
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, saved["ema"][f"module.{key}"])
        assert not torch.equal(tensor, saved["model"][key])
    metadata = model.metadata
    assert metadata["name"] == "kdsr-s-x4-test"
    assert metadata["licence"] == "CC0-1.0"
    assert metadata["steps"] == "6"
    assert metadata["data_fingerprint"] == saved["data"]
    assert json.loads(metadata["metrics"])["psnr_y_photos"] > 5
    recipe = json.loads(metadata["recipe"])
    assert recipe["student.kd_weight"] == 0.05
    assert recipe["degradation.kind"] == "general"


def test_the_export_upscales_through_the_public_api(run: Path) -> None:
    model = kdsr.load(run / "kdsr-s-x4-test.safetensors")
    assert model.upscale(torch.rand(1, 3, 9, 7)).shape == (1, 3, 36, 28)


def test_half_the_size_when_asked(tmp_path: Path) -> None:
    recipe = tiny_recipe(tmp_path, ema=0.9, storage="fp16")
    assert main([recipe]) == 0
    whole, half = (
        tmp_path / "run" / name for name in ("student.safetensors", "kdsr-s-x4.safetensors")
    )
    sizes = [sum(t.nbytes for t in load_file(path).values()) for path in (half, whole)]
    assert sizes[0] == sizes[1] / 2
    exact = load_checkpoint(whole).state_dict()
    for key, tensor in load_checkpoint(half).state_dict().items():
        assert torch.equal(tensor, exact[key].half().float())


def test_the_card_states_use_measurements_and_options(run: Path) -> None:
    text = (run / "kdsr-s-x4-test.md").read_text(encoding="utf-8")
    assert text.startswith("---\nlicense: cc0-1.0\n")
    assert "| photos | " in text
    assert "| held_out | " in text
    assert "kdsr upscale photo.jpg --model kdsr-s-x4-test.safetensors" in text
    assert "student.kd_weight: 0.05" in text
    assert "None" not in text
    assert "https://arxiv.org/abs/2211.16928" in text
    assert "Trained for 6 steps\nin 0.00 hours" in text


@pytest.mark.parametrize(
    ("stage", "weight", "says"), [("gan", 0.1, True), ("gan", 0.0, False), ("student", 0.1, False)]
)
def test_the_card_says_adversarial_only_of_a_training_with_a_discriminator(
    run: Path, stage: str, weight: float, says: bool
) -> None:
    facts = ModelFacts.read(run / "kdsr-s-x4-test.safetensors")
    recipe = {**facts.recipe, "gan.gan_weight": weight}
    metadata = {**facts.metadata, "stage": stage, "recipe": json.dumps(recipe)}
    assert ("adversarial" in card(replace(facts, metadata=metadata))) is says


def test_the_cards_model_index_holds_the_measured_numbers(run: Path) -> None:
    front = (run / "kdsr-s-x4-test.md").read_text(encoding="utf-8").split("---\n")[1]
    data = ModelCardData(**yaml.safe_load(front))  # the Hub's own reader of such numbers
    assert data.eval_results is not None
    read = {(r.dataset_type, r.metric_type): r.metric_value for r in data.eval_results}
    scores = ModelFacts.read(run / "kdsr-s-x4-test.safetensors").scores
    assert {score.images for score in scores} == {"photos", "held_out"}
    assert read == {(score.images, "psnr"): round(score.psnr, 2) for score in scores}


def test_publishing_shows_what_it_would_send_and_sends_nothing_without_yes(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish([str(run / "kdsr-s-x4-test.safetensors"), "someone/kdsr-test"]) == 0
    shown = capsys.readouterr().out
    assert "kdsr-s-x4-test.safetensors" in shown
    assert "README.md" in shown
    assert "--yes" in shown


@pytest.mark.parametrize(
    ("name", "repo", "message"),
    [
        ("absent.safetensors", "a/b", "no such file"),
        ("teacher.safetensors", "a/b", "is a teacher"),
        ("kdsr-s-x4-test.safetensors", "nameless", "expected owner/name"),
    ],
)
def test_publishing_what_cannot_be_used_is_refused(
    run: Path, capsys: pytest.CaptureFixture[str], name: str, repo: str, message: str
) -> None:
    assert publish([str(run / name), repo, "--yes"]) == 2
    assert message in capsys.readouterr().err


def test_weights_without_a_card_are_not_published(run: Path, tmp_path: Path) -> None:
    lonely = tmp_path / "lonely.safetensors"
    lonely.write_bytes((run / "kdsr-s-x4-test.safetensors").read_bytes())
    with pytest.raises(KDSRError, match=r"expected a model card at .*lonely\.md"):
        read_card(lonely)


class _Hub(BaseHTTPRequestHandler):
    """The part of the Hub's protocol that takes a commit of small files."""

    sent: ClassVar[dict[str, bytes]] = {}

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Silence."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Authorization") != "Bearer hf_good":
            return self._answer(401, {"error": "Invalid username or password."})
        if self.path == "/api/repos/create":
            return self._answer(200, {"url": f"http://{self.headers['Host']}/someone/kdsr-test"})
        if self.path == "/api/validate-yaml":
            return self._answer(200, {"errors": [], "warnings": []})
        if "/preupload/" in self.path:
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            return self._answer(200, {"files": files})
        for line in body.decode().splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                value = entry["value"]
                self.sent[value["path"]] = base64.b64decode(value["content"])
        url = f"http://{self.headers['Host']}/someone/kdsr-test/commit/" + "a" * 40
        return self._answer(200, {"commitUrl": url, "commitOid": "a" * 40, "success": True})

    def _answer(self, status: int, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """A server on localhost; yields the files that it was sent."""
    _Hub.sent.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    # The client reads its endpoint when it is imported.
    monkeypatch.setattr(
        "huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.server_port}"
    )
    yield _Hub.sent
    server.shutdown()
    server.server_close()
    thread.join()


def test_publishing_sends_everything_in_one_commit(
    run: Path,
    hub: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    weights = run / "kdsr-s-x4-test.safetensors"
    monkeypatch.setenv("HF_TOKEN", "hf_bad")
    assert publish([str(weights), "someone/kdsr-test", "--yes"]) == 2
    assert "did not take" in capsys.readouterr().err
    assert not hub
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    assert publish([str(weights), "someone/kdsr-test", "--yes"]) == 0
    assert "revision " + "a" * 40 in capsys.readouterr().out
    assert hub[weights.name] == weights.read_bytes()
    shape = json.loads(hub["config.json"])
    assert (shape["scale"], shape["n_feats"], shape["weights"]) == (4, 4, weights.name)
    thumbnail = "https://huggingface.co/someone/kdsr-test/resolve/main/thumbnail.jpg"
    _, front, body = hub["README.md"].decode().split("---\n", 2)
    assert yaml.safe_load(front)["thumbnail"] == thumbnail
    assert f"]({thumbnail})" in body
    lq, sr, thumb = (
        Image.open(io.BytesIO(hub[name]))
        for name in ("samples/example-lq.png", "samples/example-sr.png", "thumbnail.jpg")
    )
    assert sr.size == (4 * lq.width, 4 * lq.height)
    assert (thumb.height, thumb.width // 2) == (sr.height, sr.width + 4)


def test_the_listing_for_the_open_index_states_the_files_facts(run: Path, tmp_path: Path) -> None:
    weights = run / "kdsr-s-x4-test.safetensors"
    arguments = [str(weights), "someone/kdsr-test", "--listing", str(tmp_path), "--author", "me"]
    assert publish(arguments) == 0
    entry = json.loads((tmp_path / "4x-kdsr-s-test.json").read_text(encoding="utf-8"))
    assert entry["license"] == "CC0-1.0"
    assert (entry["scale"], entry["architecture"], entry["author"]) == (4, "kdsr", "me")
    assert entry["size"] == ["4nf", "2nb", "1rb"]
    assert {"denoise", "jpeg"} <= set(entry["tags"])
    assert (entry["trainingIterations"], entry["trainingHRSize"]) == (6, 32)
    (resource,) = entry["resources"]
    assert resource["size"] == weights.stat().st_size
    assert resource["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert resource["urls"] == [
        "https://huggingface.co/someone/kdsr-test/resolve/main/kdsr-s-x4-test.safetensors"
    ]
    (pair,) = entry["images"]
    assert pair["SR"].endswith("/samples/example-sr.png")


def test_a_listing_under_an_impossible_author_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = str(run / "kdsr-s-x4-test.safetensors")
    assert publish([weights, "a/b", "--listing", str(tmp_path), "--author", "not an id"]) == 2
    assert "the author 'not an id' is not a valid OpenModelDB id" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["kdsr-s-x4", "kdsr-s-x4-classic"])
def test_bundled_cards_tell_the_hub_the_numbers_that_their_text_and_results_state(
    name: str,
) -> None:
    _, front, body = (
        (ROOT / f"kdsr/weights/{name}.md").read_text(encoding="utf-8").split("---\n", 2)
    )
    data = ModelCardData(**yaml.safe_load(front))
    assert data.eval_results is not None
    assert {r.dataset_type for r in data.eval_results} == {"Set5", "Set14"}
    results = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    row = next(line for line in results.splitlines() if line.startswith(f"| `{name}` |"))
    for result in data.eval_results:
        value = float(result.metric_value)
        assert f"{value:.2f}" in body if result.metric_type == "psnr" else f"{value:.4f}" in body
        assert (f"{value:.2f}" if result.metric_type == "psnr" else f"{value:.4f}"[1:]) in row
    assert "None" not in body
    assert "https://arxiv.org/abs/2211.16928" in body
