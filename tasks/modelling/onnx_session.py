"""A compressed model at work: ONNX Runtime, tokenizers and numpy, neither torch nor transformers.

Shapes: N texts, B texts a batch, T tokens, C classes. The graph takes `input_ids` and `attention_mask` (B, T) int64 and
gives `probabilities` (B, C) float32; the softmax is part of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

MODEL = "model.onnx"
TOKENIZER = "tokenizer.json"
RECORD = "model.json"

Array = np.ndarray[Any, Any]


class OnnxClassifier:
    """The classifier in `folder` (`model.onnx`, `tokenizer.json`, `model.json`).

    Args:
        threads: of ONNX Runtime; 0 takes all cores, 1 is what latencies are stated for.
    """

    def __init__(self, folder: Path, *, threads: int = 0):
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        self.labels: tuple[str, ...] = tuple(record["labels"])
        self.max_seq_length: int = record["max_seq_length"]
        self.pad_token_id: int = record["pad_token_id"]
        self.inputs: tuple[str, ...] = tuple(record["inputs"])
        self.tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(self.max_seq_length, direction=record["truncation_side"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Threads that spin while they wait take the core from whatever else runs on the machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(str(folder / MODEL), options, providers=["CPUExecutionProvider"])

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of every text, special tokens included, cut to `max_seq_length`."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(list(texts))]

    def run(self, input_ids: Array, attention_mask: Array) -> Array:
        """Probabilities (B, C) of one batch, both inputs (B, T) int64."""
        known = {"input_ids": input_ids, "attention_mask": attention_mask}
        return np.asarray(self.session.run(None, {name: known[name] for name in self.inputs})[0])

    def predict(
        self,
        texts: Sequence[str],
        batch_size: int = 1,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> Array:
        """Probabilities (N, C), float32, in the order of `texts`; texts of similar length share a batch.

        Activations of an int8 model are quantized by the range of the whole batch, so with a larger batch a text's
        score depends, in the third digit, on its neighbours. At batch 1 it does not, nothing is padded, and on a CPU
        it is about as fast.
        """
        found = np.zeros((len(texts), len(self.labels)), dtype=np.float32)
        rows = self.encode(texts)
        order = sorted(range(len(rows)), key=lambda index: (-len(rows[index]), index))
        for start in range(0, len(order), batch_size):
            members = order[start : start + batch_size]
            found[members] = self.run(*self._pad([rows[index] for index in members]))
            if progress:
                progress(min(start + batch_size, len(order)), len(order))
        return found

    def _pad(self, rows: list[list[int]]) -> tuple[Array, Array]:
        shape = (len(rows), max(len(row) for row in rows))
        ids = np.full(shape, self.pad_token_id, dtype=np.int64)  # (B, T)
        mask = np.zeros(shape, dtype=np.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        return ids, mask
