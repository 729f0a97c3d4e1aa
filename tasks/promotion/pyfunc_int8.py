"""Serve an int8 classifier: onnxruntime, tokenizers and numpy are all it needs. Copied into each int8 version."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

BATCH = 32


class Classifier:
    """`predict(texts)` yields for each text its label and the probability of that label."""

    def __init__(self, folder: str | Path) -> None:
        record = json.loads((Path(folder) / "model.json").read_text(encoding="utf-8"))
        self.labels, self.inputs = record["labels"], record["inputs"]
        self.tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
        self.tokenizer.enable_truncation(record["max_seq_length"])
        self.tokenizer.enable_padding(pad_id=record["pad_token_id"])
        self.session = onnxruntime.InferenceSession(
            str(Path(folder) / "model.onnx"), providers=["CPUExecutionProvider"]
        )

    def predict(self, texts: list[str]) -> list[tuple[str, float]]:
        rows: list[tuple[str, float]] = []
        for start in range(0, len(texts), BATCH):
            rows += self._predict(texts[start : start + BATCH])
        return rows

    def _predict(self, texts: list[str]) -> list[tuple[str, float]]:
        encoded = self.tokenizer.encode_batch(texts)
        values = {
            "input_ids": np.array([one.ids for one in encoded], dtype=np.int64),
            "attention_mask": np.array([one.attention_mask for one in encoded], dtype=np.int64),
            "token_type_ids": np.array([one.type_ids for one in encoded], dtype=np.int64),
        }
        logits = self.session.run(None, {name: values[name] for name in self.inputs})[0]
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = odds / odds.sum(axis=1, keepdims=True)
        best = probabilities.argmax(axis=1)
        return [(self.labels[label], float(row[label])) for row, label in zip(probabilities, best, strict=True)]
