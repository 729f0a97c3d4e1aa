"""Three ways to a vocabulary: keep the base model's, add domain words to it, train a new one."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from pipeline_config.tokenizer import Extend, Train
from tasks.runtime.errors import RefusedInput, StageFailed

SPECIAL = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
_ALPHABET = 1000
_WORD = re.compile(r"[^\W\d_]+")


def load_fast(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of `folder`, freed of a cut or padding that was saved with it.

    Raises:
        RefusedInput: there is no `tokenizer.json` and none can be made.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if not tokenizer.is_fast:
        raise RefusedInput(f"{folder}: no tokenizer.json; save it again as a fast tokenizer (use_fast=True).")
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True  # in a document "[SEP]" is a word
    return tokenizer


def word_counts(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> Counter[str]:
    """Words as the tokenizer sees them (normalised, split before the vocabulary is asked) and how often they occur."""
    return _word_counts(tokenizer.backend_tokenizer, texts)


def choose_words(tokenizer: PreTrainedTokenizerBase, counts: Counter[str], config: Extend) -> list[dict[str, Any]]:
    """The words to add, those first that save most tokens (occurrences x pieces saved); ties by alphabet.

    Returns `[{"token", "pieces"}]`: `pieces` are what the old vocabulary made of the word.
    """
    vocabulary = tokenizer.get_vocab()
    words = sorted(
        word
        for word, count in counts.items()
        if count >= config.min_frequency
        and len(word) >= config.min_length
        and word not in vocabulary
        and _WORD.fullmatch(word)
    )
    pieces = {word: _pieces(tokenizer, word) for word in words}
    readable = [word for word in words if tokenizer.unk_token not in pieces[word] and len(pieces[word]) > 1]
    readable.sort(key=lambda word: (-counts[word] * (len(pieces[word]) - 1), word))
    return [{"token": word, "pieces": pieces[word]} for word in readable[: config.count]]


def extend(tokenizer: PreTrainedTokenizerBase, words: Iterable[str], folder: Path) -> PreTrainedTokenizerFast:
    """Write `tokenizer` with `words` at the end of its WordPiece vocabulary to `folder` and load it from there.

    Raises:
        RefusedInput: the vocabulary is no WordPiece.
    """
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer.json"
    record = json.loads(path.read_text("utf-8"))
    if record["model"]["type"] != "WordPiece":
        raise RefusedInput(
            f"tokenizer.vocabulary.kind='extend': the base model's vocabulary is {record['model']['type']}; only "
            "WordPiece can be extended. Use kind: keep."
        )
    vocabulary = record["model"]["vocab"]
    following = max(max(vocabulary.values()), *(token["id"] for token in record["added_tokens"])) + 1
    for number, word in enumerate(words, start=following):
        vocabulary[word] = number
    path.write_text(json.dumps(record, ensure_ascii=False, indent=1), "utf-8")
    return load_fast(folder)


def train(texts: Callable[[], Iterable[str]], config: Train, max_length: int) -> PreTrainedTokenizerFast:
    """Train a vocabulary; the same texts give the same vocabulary in every process.

    Args:
        texts: gives the texts from the start each time it is called.
        max_length: tokens that a model with this vocabulary reads at most.

    Raises:
        StageFailed: there was no text.
    """
    special = list(SPECIAL.values())
    options = {"vocab_size": config.vocab_size, "min_frequency": config.min_frequency, "show_progress": False}
    if config.algorithm == "wordpiece":
        backend = Tokenizer(models.WordPiece(unk_token=SPECIAL["unk"]))
        backend.normalizer = normalizers.BertNormalizer(lowercase=config.lowercase)
        backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        backend.decoder = decoders.WordPiece()
        # The trainer numbers characters inside words in the order of a hash map, seeded anew in each process, and
        # breaks ties by these numbers. Declaring all characters beforehand, as if special, fixes the numbers.
        characters = _alphabet(backend, texts())
        declared = special + characters + [f"##{character}" for character in characters]
        trainer = trainers.WordPieceTrainer(special_tokens=declared, limit_alphabet=0, **options)
    else:
        backend = Tokenizer(models.BPE())
        lower = [normalizers.Lowercase()] if config.lowercase else []
        backend.normalizer = normalizers.Sequence([normalizers.NFC(), *lower])
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        characters = sorted(pre_tokenizers.ByteLevel.alphabet())
        trainer = trainers.BpeTrainer(special_tokens=special, initial_alphabet=characters, **options)
    backend.train_from_iterator(texts(), trainer)
    record = json.loads(backend.to_str())
    record["added_tokens"] = [token for token in record["added_tokens"] if token["content"] in special]
    backend = Tokenizer.from_str(json.dumps(record))
    if backend.get_vocab_size() <= len(special) + len(characters):
        raise StageFailed("tokenizer: the corpus has no text to train on; select more of it, or use kind: keep.")
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, backend.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=max_length,
        **{f"{name}_token": token for name, token in SPECIAL.items()},
    )


def _alphabet(backend: Tokenizer, texts: Iterable[str]) -> list[str]:
    """The characters of the text after normalisation, the thousand most frequent at most, sorted."""
    counts: Counter[str] = Counter()
    for word, seen in _word_counts(backend, texts).items():
        for character in word:
            counts[character] += seen
    frequent = sorted(counts, key=lambda character: (-counts[character], character))
    return sorted(frequent[:_ALPHABET])


def _word_counts(backend: Tokenizer, texts: Iterable[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for text in texts:
        normal = backend.normalizer.normalize_str(text) if backend.normalizer else text
        counts.update(word for word, _ in backend.pre_tokenizer.pre_tokenize_str(normal))
    return counts


def _pieces(tokenizer: PreTrainedTokenizerBase, word: str) -> list[str]:
    return list(tokenizer.backend_tokenizer.encode(word, add_special_tokens=False).tokens)
