"""How the student is made smaller and faster to serve."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline_config.base import Section


class OnnxFp32(Section):
    """ONNX in float32: the weights as trained, run without torch."""

    kind: Literal["onnx_fp32"]


class OnnxInt8(Section):
    """ONNX with int8 weights and dynamically quantized activations (ONNX Runtime)."""

    kind: Literal["onnx_int8"]
    per_channel: bool = True
    """One scale for each output channel of a weight matrix; false: one for the whole matrix (agrees less)."""


Backend = Annotated[OnnxFp32 | OnnxInt8, Field(discriminator="kind")]


class CompressConfig(Section):
    """Section `compress`."""

    backend: Backend = OnnxInt8(kind="onnx_int8")
    """What the model is turned into."""
    parity_tolerance: float = Field(default=1e-3, gt=0)
    """Largest difference of a log-probability between torch and the exported float32 graph (nats); above it the
    stage fails. It is compared on two batches of other shapes than the one that was exported."""
    seed: int = Field(default=42, ge=0)
    """Seed of the token ids that parity is compared on."""
