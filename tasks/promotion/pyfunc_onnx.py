"""Serve an ONNX classifier: onnxruntime, tokenizers and numpy are all it needs. Copied into each such version."""

import json
import os
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "true")  # it counts when onnxruntime is imported, not later
import onnxruntime


class Classifier:
    """`predict(texts)` yields for each text its label and the probability of that label.

    Texts go one by one: int8 activations are scaled by the range of a batch, and no text should change another's score.
    """

    def __init__(self, folder: str | Path) -> None:
        record = json.loads((Path(folder) / "model.json").read_text(encoding="utf-8"))
        self.labels, self.inputs = record["labels"], record["inputs"]
        self.tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(record["max_seq_length"], direction=record["truncation_side"])
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(
            str(Path(folder) / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def predict(self, texts: list[str]) -> list[tuple[str, float]]:
        return [self._predict(text) for text in texts]

    def _predict(self, text: str) -> tuple[str, float]:
        encoded = self.tokenizer.encode(text)
        values = {"input_ids": encoded.ids, "attention_mask": encoded.attention_mask}
        feed = {name: np.array([values[name]], dtype=np.int64) for name in self.inputs}  # (1, T)
        (probabilities,) = self.session.run(None, feed)[0]  # (C,)
        best = int(probabilities.argmax())
        return self.labels[best], float(probabilities[best])
