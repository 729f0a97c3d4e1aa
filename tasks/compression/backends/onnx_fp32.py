"""ONNX in float32: the exported graph as it is. Runs wherever ONNX Runtime does; nothing is approximated."""

from __future__ import annotations

from pathlib import Path

import onnx


def write(graph: onnx.ModelProto, path: Path) -> None:
    """Write `graph` to `path`."""
    path.write_bytes(graph.SerializeToString(deterministic=True))
