"""Which precision is faster on this machine: one encoder-sized layer, forward and backward, timed both ways."""

from __future__ import annotations

import contextlib
import json
import statistics
import time

import torch
from torch import nn


def compare(rounds: int = 5) -> None:
    """Print, as JSON, the median seconds of a training step in fp32 and under bf16 autocast, measured in turn."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(384, 12, 1536, batch_first=True).to(device)
    batch = torch.randn(16, 128, 384, device=device)  # (B, T, H)

    def step(bf16: bool) -> float:
        began = time.perf_counter()
        context = torch.autocast(device.type, torch.bfloat16) if bf16 else contextlib.nullcontext()
        with context:
            loss = layer(batch).float().square().mean()
        loss.backward()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began

    for bf16 in (False, True):
        step(bf16)
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(rounds):
        for bf16 in (False, True):
            times[bf16].append(step(bf16))
    figures = {
        "device": device.type,
        "fp32_seconds": statistics.median(times[False]),
        "bf16_seconds": statistics.median(times[True]),
    }
    print(json.dumps(figures))
