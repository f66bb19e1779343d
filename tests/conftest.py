"""What every test stands on."""

from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # small tensors: several times faster, steady on shared machines

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real images for development, where they lie beside the project."""
    if not SHARED.is_dir():
        pytest.skip("skipped: no shared data")
    return SHARED
