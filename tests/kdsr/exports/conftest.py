from pathlib import Path

import pytest

from kdsr import KDSR
from tests.support.onnx_files import tiny_files, tiny_model


@pytest.fixture(scope="session")
def model() -> KDSR:
    return tiny_model()


@pytest.fixture(scope="session")
def files(model: KDSR, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of tiny.onnx, the whole student, and of the parts."""
    return tiny_files(model, tmp_path_factory.mktemp("onnx"))
