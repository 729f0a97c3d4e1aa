"""Where tensors are computed, and the switches that make the same work give the same bytes there."""

from __future__ import annotations

import os

import torch

from tasks.runtime.errors import RefusedInput
from tasks.runtime.settings import Settings


def use_device(settings: Settings) -> torch.device:
    """Set threads and deterministic kernels; return the device that the settings ask for.

    Equal bytes are promised for equal machines: another thread count or another device adds floats in another order,
    so that results differ in their last digits. Neither is part of a recipe's identity all the same.

    Raises:
        RefusedInput: `cuda` was asked for and there is none.
    """
    torch.set_num_threads(settings.cores)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts; needed for determinism
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs time
    if settings.device == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda")
    if settings.device == "cuda":
        raise RefusedInput(
            "TEXTMILL_DEVICE='cuda' (environment): torch sees no GPU. Expected one; set TEXTMILL_DEVICE=auto or cpu, "
            "or install a torch built for this GPU."
        )
    return torch.device("cpu")
