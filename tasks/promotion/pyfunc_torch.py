"""Serve a torch classifier: torch, transformers and safetensors are all it needs. Copied into each torch version."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

BATCH = 32


class Classifier:
    """`predict(texts)` yields for each text its label and the probability of that label."""

    def __init__(self, folder: str | Path) -> None:
        record = json.loads((Path(folder) / "textmill.json").read_text(encoding="utf-8"))
        self.labels, self.pooling = record["labels"], record["pooling"]
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.tokenizer.truncation_side = record.get("truncation_side", "right")
        self.max_length = record["max_seq_length"]
        native = self.pooling == "cls"
        self.model = (AutoModelForSequenceClassification if native else AutoModel).from_pretrained(
            folder, dtype=torch.float32
        )
        self.model.eval()
        self.head = None if native else load_file(Path(folder) / "head.safetensors")

    def predict(self, texts: list[str]) -> list[tuple[str, float]]:
        rows: list[tuple[str, float]] = []
        for start in range(0, len(texts), BATCH):
            rows += self._predict(texts[start : start + BATCH])
        return rows

    @torch.inference_mode()
    def _predict(self, texts: list[str]) -> list[tuple[str, float]]:
        batch = self.tokenizer(texts, truncation=True, max_length=self.max_length, padding=True, return_tensors="pt")
        ids, mask = batch["input_ids"], batch["attention_mask"]  # (B, T)
        output = self.model(input_ids=ids, attention_mask=mask)
        if self.head is None:
            logits = output.logits
        else:
            features = self._pool(output.last_hidden_state, mask.unsqueeze(-1))  # (B, H)
            logits = features @ self.head["weight"].T + self.head["bias"]
        scores, best = torch.softmax(logits, dim=-1).max(dim=-1)
        return [(self.labels[label], score) for label, score in zip(best.tolist(), scores.tolist(), strict=True)]

    def _pool(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if self.pooling == "max":
            return hidden.masked_fill(mask == 0, float("-inf")).amax(dim=1)
        return (hidden * mask).sum(dim=1) / mask.sum(dim=1)
