"""The pack stage against the tokenizer itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline_config.packing import PackConfig
from tasks.corpus.document import document_table, read_documents, write_documents
from tasks.packing.memo import encode_plainly
from tasks.packing.stage import pack
from tasks.runtime.artifact import Corpus, Tokenizer
from tasks.runtime.errors import RefusedInput, StageFailed
from tasks.training.packed import load_packed
from tests.packing.kept import write_ledger

WORDS = ["storage", "bucket", "public", "access", "encryption", "key", "rotation", "identity", "policy", "audit"]


def make_corpus(folder: Path, texts: dict[str, list[str]]) -> Corpus:
    rows = [
        {"id": hashlib.sha256(f"{source}{i}".encode()).digest()[:16], "source": source, "text": text}
        for source, listed in texts.items()
        for i, text in enumerate(listed)
    ]
    write_documents(folder / "documents", document_table(rows))
    write_ledger(folder)
    return Corpus(node="select", fingerprint=folder.name, path=folder)


def make_tokenizer(folder: Path, encoder: Path) -> Tokenizer:
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(encoder).save_pretrained(folder / "tokenizer")
    (folder / "new_tokens.json").write_text("[]")
    (folder / "report.json").write_text('{"kind": "keep"}')
    return Tokenizer(node="tokenizer", fingerprint="tokenizer", path=folder)


def texts(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=rng.integers(1, 60))) for _ in range(count)]


@pytest.fixture
def inputs(tmp_path: Path, tiny_encoder: Path) -> tuple[Corpus, Tokenizer]:
    corpus = make_corpus(tmp_path / "corpus", {"a": texts(60), "b": [*texts(30, 1), "", "bucket [SEP] key [MASK]"]})
    return corpus, make_tokenizer(tmp_path / "tokenizer", tiny_encoder)


def test_ids_are_those_of_the_tokenizer_and_rows_hold_every_token_once(
    run_stage: Callable[..., Any], inputs: tuple[Corpus, Tokenizer], tiny_encoder: Path
) -> None:
    from transformers import AutoTokenizer

    artifact = run_stage(pack, PackConfig(max_seq_length=32, heldout_fraction=0.2), *inputs)
    packed = load_packed(artifact.path)
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder, model_max_length=10_000)
    documents = read_documents(inputs[0].path / "documents").to_pylist()
    assert packed.ids.dtype == np.uint16
    assert packed.documents.tobytes() == b"".join(row["id"] for row in documents)
    for i, row in enumerate(documents):
        got = packed.ids[packed.offsets[i] : packed.offsets[i + 1]].tolist()
        text = row["text"]
        if "[" not in text:
            assert got == tokenizer(text, add_special_tokens=False)["input_ids"]
        else:
            assert not set(got) & {tokenizer.sep_token_id, tokenizer.mask_token_id}, "in a document it is a word"
        assert packed.facts.sources[packed.sources[i]] == row["source"]

    covered = np.zeros(len(packed.ids), dtype=int)
    for start, length, row in packed.windows.tolist():
        covered[start : start + length] += 1
        owner = int(np.searchsorted(packed.offsets, start, side="right")) - 1
        assert packed.rows[row].tolist() == [packed.sources[owner], int(packed.heldout[owner])]
    assert (covered == 1).all()
    assert packed.row_tokens.max() <= 32

    metrics = artifact.metrics
    assert metrics["documents"] == 92
    assert metrics["documents_empty"] == 1
    assert metrics["tokens"] == len(packed.ids) == sum(part["tokens"] for part in metrics["by_source"].values())
    framed = len(packed.ids) + 2 * len(packed.windows)
    assert metrics["padding_share"] == pytest.approx(1 - framed / (32 * len(packed.rows)))
    assert 0 < metrics["heldout_documents"] < 40


@pytest.mark.parametrize("wrong", [False, True])
def test_a_memo_with_other_ids_is_given_up(
    run_stage: Callable[..., Any], inputs: tuple[Corpus, Tokenizer], monkeypatch: pytest.MonkeyPatch, wrong: bool
) -> None:
    """Cut within words, which is never exact, the stage has the same bytes, from whole texts."""
    from tasks.packing import pack as module

    config, plainly = PackConfig(max_seq_length=32, heldout_fraction=0.2), []
    cuts = np.full((129, 129), wrong)
    monkeypatch.setattr(module, "exact_cuts", lambda _: cuts)
    monkeypatch.setattr(module, "encode_plainly", lambda *args: plainly.append(args) or encode_plainly(*args))
    whole = run_stage(pack, config, *inputs)
    monkeypatch.undo()
    assert len(plainly) == 1 + wrong, "checked first, where there is something to check"
    assert whole.digest == run_stage(pack, config, *inputs).digest


def test_a_row_as_tensors(run_stage: Callable[..., Any], tmp_path: Path, tiny_encoder: Path) -> None:
    from transformers import AutoTokenizer

    corpus = make_corpus(tmp_path / "corpus", {"a": ["bucket key", "policy", "audit"]})
    tokenizer = make_tokenizer(tmp_path / "tokenizer", tiny_encoder)
    packed = load_packed(run_stage(pack, PackConfig(max_seq_length=8, heldout_fraction=0.001), corpus, tokenizer).path)
    assert packed.heldout.sum() == 1, "at least one document is held out"
    facts = packed.facts
    found = []
    batch = packed.batch(np.arange(len(packed.rows)))
    for ids, segments, positions in zip(*(batch[k].tolist() for k in batch), strict=True):
        padding = segments.count(0)
        assert ids[len(ids) - padding :] == [facts.pad_token_id] * padding
        for segment in range(1, max(segments) + 1):
            at = [i for i, s in enumerate(segments) if s == segment]
            assert at == list(range(at[0], at[-1] + 1))
            assert (ids[at[0]], ids[at[-1]]) == (facts.cls_token_id, facts.sep_token_id)
            assert [positions[i] for i in at] == list(range(len(at)))
            found.append([ids[i] for i in at[1:-1]])
    words = AutoTokenizer.from_pretrained(tiny_encoder)
    expected = words(["bucket key", "policy", "audit"], add_special_tokens=False)["input_ids"]
    assert sorted(found) == sorted(expected)


def test_the_same_corpus_gives_the_same_bytes(run_stage: Callable[..., Any], inputs: tuple[Corpus, Tokenizer]) -> None:
    config = PackConfig(max_seq_length=32, max_documents={"a": 20})
    assert run_stage(pack, config, *inputs).digest == run_stage(pack, config, *inputs).digest


def test_a_source_is_sampled_and_what_is_held_out_stays_so(
    run_stage: Callable[..., Any], inputs: tuple[Corpus, Tokenizer]
) -> None:
    def kept(**options: Any) -> tuple[set[bytes], set[bytes], dict[str, Any]]:
        artifact = run_stage(pack, PackConfig(max_seq_length=32, heldout_fraction=0.3, **options), *inputs)
        packed = load_packed(artifact.path)
        ids = [row.tobytes() for row in packed.documents]
        return set(ids), {i for i, held in zip(ids, packed.heldout, strict=True) if held}, artifact.metrics

    everything, held, _ = kept()
    some, still_held, metrics = kept(max_documents={"a": 20})
    assert metrics["by_source"]["a"]["documents"] == 20
    assert metrics["documents_left_out"] == 40
    assert still_held == held & some
    assert len(everything) == 92
    assert kept(max_documents={"a": 20}, seed=1)[0] != some


def test_an_unknown_source_is_refused(run_stage: Callable[..., Any], inputs: tuple[Corpus, Tokenizer]) -> None:
    with pytest.raises(RefusedInput, match="no source 'c'; expected one of a, b"):
        run_stage(pack, PackConfig(max_documents={"c": 3}), *inputs)


def test_too_little_text_fails(run_stage: Callable[..., Any], tmp_path: Path, tiny_encoder: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", {"a": ["bucket", "", ""]})
    with pytest.raises(StageFailed, match="1 of 3 documents have text"):
        run_stage(pack, PackConfig(), corpus, make_tokenizer(tmp_path / "tokenizer", tiny_encoder))


def test_a_tokenizer_that_cannot_mask_is_refused(
    run_stage: Callable[..., Any], inputs: tuple[Corpus, Tokenizer]
) -> None:
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        path = inputs[1].path / "tokenizer" / name
        if path.exists():
            record = json.loads(path.read_text())
            record.pop("mask_token", None)
            path.write_text(json.dumps(record))
    with pytest.raises(RefusedInput, match="has no mask token"):
        run_stage(pack, PackConfig(), *inputs)
