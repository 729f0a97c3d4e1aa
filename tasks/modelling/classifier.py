"""A text classifier: an encoder, a pooling and a linear head. Shapes: B texts, T tokens, H hidden width, C classes.

With CLS pooling the whole model is a native `AutoModelForSequenceClassification` (which may put its own pooler before
the head), so that anything in the transformers world loads it. With mean or max pooling the encoder loads with
`AutoModel` and the head lies beside it in `head.safetensors` (`weight` (C, H), `bias` (C,)).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForSequenceClassification, PreTrainedModel, PreTrainedTokenizerBase

from tasks.modelling.encoder import load_encoder, load_tokenizer, quiet
from tasks.modelling.pooling import Pooling, pool
from tasks.runtime.errors import RefusedInput

RECORD = "textmill.json"
HEAD = "head.safetensors"


@dataclass(frozen=True)
class ClassifierOutput:
    logits: Tensor
    """(B, C)."""
    hidden: Tensor
    """(B, T, H): the encoder's last hidden states."""


class TextClassifier(nn.Module):
    """`forward(input_ids, attention_mask) -> ClassifierOutput`; both inputs are (B, T). Made by `new_classifier`.

    Args:
        body: an encoder (mean and max pooling) or a native sequence classification model (CLS pooling).
        labels: the names of the C classes, in order.
        pooling: `cls`, `mean` or `max`.
        dropout: probability before the head (mean and max pooling; a native model has its own).
    """

    def __init__(self, body: PreTrainedModel, labels: Sequence[str], pooling: Pooling, dropout: float = 0.0):
        super().__init__()
        self.body = body
        self.labels = tuple(labels)
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.own_head = None if pooling == "cls" else nn.Linear(body.config.hidden_size, len(self.labels))

    @property
    def encoder(self) -> PreTrainedModel:
        return self.body.base_model if self.own_head is None else self.body

    @property
    def head(self) -> nn.Linear:
        """The linear layer from features (B, H) to logits (B, C)."""
        if self.own_head is not None:
            return self.own_head
        layers = [layer for layer in self.body.modules() if isinstance(layer, nn.Linear)]
        return next(layer for layer in reversed(layers) if layer.out_features == len(self.labels))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> ClassifierOutput:
        if self.own_head is None:
            output = self.body(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True)
            return ClassifierOutput(logits=output.logits, hidden=output.hidden_states[-1])
        hidden = self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state  # (B, T, H)
        features = self.dropout(pool(hidden, attention_mask, self.pooling))  # (B, H)
        return ClassifierOutput(logits=self.own_head(features), hidden=hidden)

    def features(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """What the head sees, (B, H), in the mode the model is in."""
        seen: list[Tensor] = []
        handle = self.head.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
        try:
            self(input_ids, attention_mask)
        finally:
            handle.remove()
        return seen[0]


def new_classifier(
    encoder: PreTrainedModel, labels: Sequence[str], pooling: Pooling, *, dropout: float = 0.0, seed: int = 0
) -> TextClassifier:
    """Put a fresh head, drawn from `seed`, on an encoder. With CLS pooling the encoder's weights are copied."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if pooling != "cls":
            return TextClassifier(encoder, labels, pooling, dropout)
        config = copy.deepcopy(encoder.config)
        config.num_labels = len(labels)
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
        native = AutoModelForSequenceClassification.from_config(config)
    # A native classifier may go without the encoder's pooler; the other way round nothing may be missing.
    missing = native.base_model.load_state_dict(encoder.state_dict(), strict=False).missing_keys
    assert not missing, missing
    return TextClassifier(native, labels, pooling)


@dataclass(frozen=True)
class LoadedClassifier:
    model: TextClassifier
    tokenizer: PreTrainedTokenizerBase
    labels: tuple[str, ...]
    pooling: Pooling
    max_seq_length: int
    """Tokens, special ones included."""
    truncation_side: Literal["right", "left"]
    """The end of an over-long text that is cut off."""


def save_classifier(
    model: TextClassifier, tokenizer: PreTrainedTokenizerBase, folder: Path, *, max_seq_length: int
) -> None:
    """Write `model/`, `textmill.json` and, with mean or max pooling, `head.safetensors` into `folder`."""
    with quiet():
        model.body.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    if model.own_head is not None:
        save_head(model.own_head, folder / HEAD)
    record = {
        "pooling": model.pooling,
        "max_seq_length": max_seq_length,
        "truncation_side": tokenizer.truncation_side,
        "labels": list(model.labels),
    }
    (folder / RECORD).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def save_head(head: nn.Linear, path: Path) -> None:
    save_file({"weight": head.weight.detach().cpu().contiguous(), "bias": head.bias.detach().cpu()}, path)


def load_head(head: nn.Linear, path: Path) -> None:
    head.load_state_dict(load_file(path))


def read_record(folder: Path) -> dict[str, Any]:
    """`textmill.json`: pooling, max_seq_length, truncation_side and labels.

    Raises:
        RefusedInput: when the folder holds no classifier.
    """
    if not (folder / RECORD).is_file():
        raise RefusedInput(f"{folder}: no {RECORD}; expected the folder of a text classifier.")
    record: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    return record


def load_classifier(folder: Path, *, dropout: float | None = None) -> LoadedClassifier:
    """Load what `save_classifier` wrote, in evaluation mode.

    Raises:
        RefusedInput: when the folder holds no classifier, or weights that are not safetensors.
    """
    record = read_record(folder)
    labels, pooling = record["labels"], record["pooling"]
    kind = AutoModelForSequenceClassification if pooling == "cls" else AutoModel
    body = load_encoder(folder / "model", dropout=dropout, kind=kind)
    model = TextClassifier(body, labels, pooling, dropout or 0.0)
    if model.own_head is not None:
        load_head(model.own_head, folder / HEAD)
    model.eval()
    tokenizer = load_tokenizer(folder / "model")
    tokenizer.truncation_side = record["truncation_side"]
    return LoadedClassifier(
        model=model,
        tokenizer=tokenizer,
        labels=tuple(labels),
        pooling=pooling,
        max_seq_length=record["max_seq_length"],
        truncation_side=record["truncation_side"],
    )
