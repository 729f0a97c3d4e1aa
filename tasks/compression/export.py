"""From a torch classifier to an ONNX graph that is proven to compute the same."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization.quant_utils import add_pre_process_metadata
from torch import Tensor, nn

from tasks.modelling.classifier import TextClassifier
from tasks.runtime.errors import StageFailed

INPUTS = ("input_ids", "attention_mask")
TRACED_SHAPE = (2, 16)
"""Rows and tokens of the batch that the graph is traced with; parity is compared at other shapes."""


class Probabilities(nn.Module):
    """The classifier with its softmax: `(B, T), (B, T) -> (B, C)`."""

    def __init__(self, classifier: TextClassifier):
        super().__init__()
        self.classifier = classifier

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return torch.softmax(self.classifier(input_ids, attention_mask).logits, dim=-1)


def export_graph(classifier: TextClassifier) -> onnx.ModelProto:
    """Trace the classifier (in evaluation mode, on the CPU) to a graph with dynamic batch and sequence axes.

    The graph holds no trace of the machine it was made on: the same weights give the same bytes.
    """
    ids, mask = _random_batch(classifier, *TRACED_SHAPE, seed=0)
    follow = torch.export.Dim.DYNAMIC  # the mask has the axes of the ids, which have their names already
    # Says that torchvision's operators are left out; a text model has none.
    registration = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registration.level
    registration.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # torch copies its own tree specification in a way that it has deprecated itself.
            warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
            program = torch.onnx.export(
                Probabilities(classifier).eval(),
                (ids, mask),
                dynamo=True,
                verbose=False,
                input_names=list(INPUTS),
                output_names=["probabilities"],
                dynamic_shapes=({0: "batch", 1: "sequence"}, {0: follow, 1: follow}),
            )
    finally:
        registration.setLevel(level)
    assert program is not None
    graph = program.model_proto
    strip(graph)
    return graph


def strip(model: onnx.ModelProto) -> None:
    """Take out, in place, what describes how the graph came to be: stack traces with paths, names of the producer."""
    graph = model.graph
    for holder in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del holder.metadata_props[:]
        holder.doc_string = ""
    # Shapes of the traced batch: the quantizer would take them for those of every batch.
    del graph.value_info[:]
    model.producer_name, model.producer_version = "", ""


def prepare_for_quantization(model: onnx.ModelProto) -> None:
    """Say in the graph that it is optimised already, so that the quantizer need not ask for it."""
    add_pre_process_metadata(model)


def check_parity(classifier: TextClassifier, graph: onnx.ModelProto, *, tolerance: float, seed: int) -> float:
    """Compare log-probabilities of torch and of the graph on two padded batches of other shapes; return the largest
    difference (nats).

    Raises:
        StageFailed: when it is above `tolerance`.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    limit = int(getattr(classifier.encoder.config, "max_position_embeddings", 64))
    worst = 0.0
    for number, (rows, tokens) in enumerate(((1, 7), (5, min(61, limit)))):
        ids, mask = _random_batch(classifier, rows, tokens, seed=seed + number)
        with torch.inference_mode():
            expected = torch.log_softmax(classifier(ids, mask).logits.double(), dim=-1).numpy()
        found = session.run(None, dict(zip(INPUTS, (ids.numpy(), mask.numpy()), strict=True)))[0]
        difference = np.abs(np.log(np.maximum(found.astype(np.float64), 1e-30)) - expected)
        # Far below any float32 rounding of a probability nothing can be compared.
        worst = max(worst, float(np.where(expected > np.log(1e-6), difference, 0.0).max()))
    if not worst <= tolerance:
        raise StageFailed(
            f"the exported graph differs from torch by {worst:.3g} nats in a log-probability, expected at most "
            f"{tolerance:g} (compress.parity_tolerance): the export of this architecture is wrong, do not serve it. "
            'Another encoder may help, or loading it with attn_implementation="eager".'
        )
    return worst


def _random_batch(classifier: TextClassifier, rows: int, tokens: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Random ids and a ragged mask, both (rows, tokens); every row has at least two tokens."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(classifier.encoder.config.vocab_size, size=(rows, tokens))
    lengths = np.maximum(tokens - np.arange(rows) * 3, 2)
    mask = (np.arange(tokens)[None, :] < lengths[:, None]).astype(np.int64)
    return torch.from_numpy(ids), torch.from_numpy(mask)
