"""Encoders from local directories: loaded offline, from safetensors alone, whole or with chosen layers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from tasks.modelling.directory import check_model_directory
from tasks.runtime.artifact import Checkpoint, InputFiles, TaskModel, Tokenizer
from tasks.runtime.errors import RefusedInput


def encoder_folder(artifact: InputFiles | Checkpoint | TaskModel) -> Path:
    """The directory of an encoder: where the user's base model lies, or `model/` of an artifact."""
    return artifact.folder if isinstance(artifact, InputFiles) else artifact.path / "model"


def load_encoder(
    folder: Path,
    *,
    layers: tuple[int, ...] | None = None,
    dropout: float | None = None,
    dtype: torch.dtype = torch.float32,
    attn_implementation: str = "sdpa",
    kind: Any = AutoModel,
) -> PreTrainedModel:
    """Load the encoder in `folder` (in evaluation mode), keeping only `layers` (counted from 0; None keeps all).

    `dropout` overrides every dropout probability. Weights that the checkpoint lacks (a pooler, say) are drawn from a
    fixed seed, so that the same files always give the same encoder; a missing weight of the embeddings or layers is
    refused. `kind` is the transformers class to load with. Nothing is downloaded and no code of the checkpoint is run.

    Raises:
        RefusedInput: no safetensors, no tokenizer, incomplete weights, or layers that are not there.
    """
    check_model_directory(folder)
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if dropout is not None:
        set_dropout(config, dropout)
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder, report = kind.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            attn_implementation=attn_implementation,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    missing = sorted(name for name in report["missing_keys"] if "pooler" not in name)
    if missing:
        raise RefusedInput(f"{folder}: weights are missing, among them {', '.join(missing[:3])}; the file is damaged.")
    if layers is not None:
        keep_layers(encoder, layers)
    encoder.eval()
    return encoder


def set_dropout(config: Any, dropout: float) -> None:
    """Set every dropout probability of a model's configuration, however the architecture names them."""
    for name, value in vars(config).items():
        if "dropout" in name and isinstance(value, int | float) and not isinstance(value, bool):
            setattr(config, name, dropout)


def keep_layers(encoder: PreTrainedModel, layers: tuple[int, ...]) -> None:
    """Drop all but `layers` (ascending, from 0) in place; the configuration follows, so that the encoder reloads.

    Raises:
        RefusedInput: when the encoder has no such layers.
    """
    depth = encoder.config.num_hidden_layers
    if not layers or list(layers) != sorted(set(layers)) or layers[0] < 0 or layers[-1] >= depth:
        raise RefusedInput(f"layers={list(layers)}: expected ascending numbers from 0 to {depth - 1} (the encoder's).")
    stacks = [(name, module) for name, module in encoder.named_modules() if isinstance(module, nn.ModuleList)]
    name, stack = next((name, module) for name, module in stacks if len(module) == depth)
    kept = nn.ModuleList(stack[index] for index in layers)
    for position, layer in enumerate(kept):
        for module in layer.modules():
            if hasattr(module, "layer_idx"):
                module.layer_idx = position  # type: ignore[assignment]  # a module, says torch
    parent, _, attribute = name.rpartition(".")
    setattr(encoder.get_submodule(parent), attribute, kept)
    if getattr(encoder.config, "layer_types", None):
        encoder.config.layer_types = [encoder.config.layer_types[index] for index in layers]
    encoder.config.num_hidden_layers = len(layers)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer in `folder`, offline.

    Raises:
        RefusedInput: when there is none or it has no padding token.
    """
    if not any(folder.glob("tokenizer*")) and not any(folder.glob("vocab.*")):
        raise RefusedInput(f"{folder}: no tokenizer; expected tokenizer.json.")
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if tokenizer.pad_token_id is None:
        raise RefusedInput(f"{folder}: the tokenizer has no padding token; set pad_token in tokenizer_config.json.")
    return tokenizer


def load_tokenizer_artifact(artifact: Tokenizer) -> tuple[PreTrainedTokenizerBase, list[dict[str, Any]]]:
    """The tokenizer of an artifact and the tokens it added (`[{token, pieces}]`, empty when it added none)."""
    new_tokens = json.loads((artifact.path / "new_tokens.json").read_text(encoding="utf-8"))
    return load_tokenizer(artifact.path / "tokenizer"), new_tokens


def load_reader(
    encoder: InputFiles | Checkpoint, *, layers: tuple[int, ...] | None = None, dropout: float | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load an encoder and the tokenizer that lies beside it: the base model's own, or the one it was adapted with."""
    folder = encoder_folder(encoder)
    return load_encoder(folder, layers=layers, dropout=dropout), load_tokenizer(folder)


def resize_for_tokenizer(
    encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, new_tokens: Sequence[Mapping[str, Any]]
) -> None:
    """Give the encoder embeddings for the tokens that the tokenizer added; a no-op when it has them already.

    The row of a new token starts as the mean of the rows of the pieces it used to be split into.
    """
    old = encoder.get_input_embeddings().weight.shape[0]
    if len(tokenizer) <= old:
        return
    encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    weight = encoder.get_input_embeddings().weight
    rows = {tokenizer.convert_tokens_to_ids(new["token"]): new["pieces"] for new in new_tokens}
    unknown = [index for index in range(old, len(tokenizer)) if index not in rows]
    if unknown:
        raise RefusedInput(
            f"the tokenizer has {len(tokenizer)} tokens, the encoder {old} embeddings, and {len(unknown)} of the new "
            "tokens name no pieces to start from: this tokenizer was not made for this encoder."
        )
    with torch.no_grad():
        for index, pieces in rows.items():
            if index >= old:
                weight[index] = weight[tokenizer.convert_tokens_to_ids(list(pieces))].mean(0)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No load report and no progress bar from transformers inside: what they tell is judged by the caller."""
    verbosity = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
