"""What a model directory must hold. Known without torch, so that a wrong one is refused before anything runs."""

from __future__ import annotations

from pathlib import Path

from tasks.runtime.errors import RefusedInput

TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "spiece.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
    "vocab.json",
)


def check_model_directory(folder: Path, name: str = "") -> None:
    """Refuse a directory without safetensors weights or without a tokenizer.

    Raises:
        RefusedInput: naming the folder (or `name`, as the user wrote it) and what it lacks.
    """
    shown = name or str(folder)
    if not (folder / "config.json").is_file():
        raise RefusedInput(f"{shown}: no config.json; expected the directory of a model saved with save_pretrained.")
    if not any(folder.glob("*.safetensors")):
        pickles = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in folder.glob(pattern))
        found = f"weights are pickled ({', '.join(pickles)})" if pickles else "there are no weights"
        raise RefusedInput(
            f"{shown}: {found}; expected model.safetensors. "
            "Pickle can run code when it is read; save the model again with safe_serialization=True."
        )
    if not any((folder / file).is_file() for file in TOKENIZER_FILES):
        raise RefusedInput(
            f"{shown}: no tokenizer; expected tokenizer.json or another of {', '.join(TOKENIZER_FILES[1:])}."
        )
