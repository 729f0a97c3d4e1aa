"""Shares of the text: how often each document is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_config.packing import Mixture, PackConfig
from tasks.packing.mixture import copies, shares
from tasks.packing.stage import pack
from tasks.runtime.artifact import Corpus
from tasks.runtime.errors import RefusedInput
from tasks.training.packed import Packed, load_packed
from tests.packing.kept import write_ledger
from tests.packing.test_pack_stage import make_corpus, make_tokenizer, texts


def share(sizes: list[int], weights: list[float], temperature: float) -> list[float]:
    return shares(np.array(sizes), np.array(weights), temperature).tolist()


def test_shares_by_hand() -> None:
    assert share([100, 300], [1, 1], 1) == pytest.approx([0.25, 0.75])
    assert share([100, 300], [3, 1], 1) == pytest.approx([0.5, 0.5])
    assert share([100, 10_000], [1, 1], 2) == pytest.approx([1 / 11, 10 / 11])  # √100 : √10 000
    assert share([1, 1_000_000], [1, 1], 1e9) == pytest.approx([0.5, 0.5], abs=1e-6)
    assert share([100, 300, 50], [1, 0, 1], 1) == pytest.approx([2 / 3, 0, 1 / 3])
    assert share([100, 0], [1, 5], 1) == [1, 0]
    assert share([100], [0], 1) == [0]


GROUPS = st.lists(st.lists(st.integers(1, 500), min_size=1, max_size=12), min_size=1, max_size=4)


@given(GROUPS, st.lists(st.floats(0.01, 50), min_size=4, max_size=4), st.floats(0.5, 10), st.randoms())
def test_bytes_are_those_wanted_up_to_half_a_document(
    sizes: list[list[int]], weights: list[float], temperature: float, random: Any
) -> None:
    rows = [(size, group) for group, listed in enumerate(sizes) for size in listed]
    flat, groups = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    keys = np.array(random.sample(range(1 << 40), len(rows)), np.uint64)
    used = np.array(weights[: len(sizes)])
    found = copies(flat, groups, used, temperature, keys)
    whole = np.array([sum(listed) for listed in sizes])
    wanted = shares(whole, used, temperature) * whole.sum()
    for group, listed in enumerate(sizes):
        mine = groups == group
        assert abs((found * flat)[mine].sum() - wanted[group]) <= max(listed) / 2 + 1e-6 * whole.sum()
        assert found[mine].max() - found[mine].min() <= 1, "no document is read twice more than another of its group"
    again = np.random.default_rng(0).permutation(len(flat))
    assert copies(flat[again], groups[again], used, temperature, keys[again]).tolist() == found[again].tolist()


def test_without_weights_every_document_is_read_once() -> None:
    sizes = np.arange(1, 400)
    found = copies(sizes, sizes % 7, np.ones(7), 1.0, np.arange(399, dtype=np.uint64))
    assert found.tolist() == [1] * 399


@pytest.fixture
def packed(run_stage: Callable[..., Any], tmp_path: Path, tiny_encoder: Path) -> Callable[..., tuple[Packed, Any]]:
    corpus = make_corpus(tmp_path / "corpus", {"a": texts(150), "b": texts(50, 1)})
    write_ledger(corpus.path, language=lambda text: "de" if len(text) % 2 else "en")
    tokenizer = make_tokenizer(tmp_path / "tokenizer", tiny_encoder)

    def run(**mixture: Any) -> tuple[Packed, Any]:
        chosen = Mixture(**mixture) if mixture else None
        config = PackConfig(max_seq_length=32, heldout_fraction=0.1, mixture=chosen)
        artifact = run_stage(pack, config, corpus, tokenizer)
        return load_packed(artifact.path), artifact

    return run


def rows_read(packed: Packed) -> dict[bytes, int]:
    """How often the first token of each document stands in rows of training."""
    learnt = packed.windows[packed.rows[packed.windows[:, 2], 1] == 0]
    starts, counts = np.unique(learnt[:, 0], return_counts=True)
    first = dict(zip(starts.tolist(), counts.tolist(), strict=True))
    return {document.tobytes(): first.get(int(packed.offsets[at]), 0) for at, document in enumerate(packed.documents)}


def test_rows_hold_the_shares(packed: Callable[..., tuple[Packed, Any]]) -> None:
    plain, _ = packed()
    mixed, artifact = packed(weights={"b": 9.0})
    times = rows_read(mixed)
    held = {document.tobytes() for document in mixed.documents[mixed.heldout]}
    assert held == {document.tobytes() for document in plain.documents[plain.heldout]}, "what is held out stays so"
    at = {document.tobytes(): index for index, document in enumerate(mixed.documents)}
    for document, number in times.items():
        assert number == (0 if document in held else mixed.copies[at[document]])
    by_source = [mixed.copies[(mixed.sources == code) & ~mixed.heldout] for code in (0, 1)]
    assert by_source[1].min() >= 2, "a quarter of the text is to be three quarters"
    assert by_source[0].max() == 1
    assert artifact.metrics["documents_left_out"] > 0
    tokens = [part["epoch_tokens"] for part in artifact.metrics["by_source"].values()]
    assert tokens[1] / sum(tokens) == pytest.approx(0.75, abs=0.03)
    owner = np.searchsorted(mixed.offsets, mixed.windows[:, 0], side="right")
    starts = list(zip(mixed.windows[:, 2].tolist(), mixed.windows[:, 0].tolist(), owner.tolist(), strict=True))
    assert len(set(starts)) == len(starts), "no row holds a stretch of text twice"


def test_languages_have_shares(packed: Callable[..., tuple[Packed, Any]]) -> None:
    mixed, _ = packed(by="language", weights={"de": 0.0})
    learnt = ~mixed.heldout
    assert learnt.any()
    lengths = {document.tobytes(): number for document, number in zip(mixed.documents, mixed.copies, strict=True)}
    plain, _ = packed()
    assert len(lengths) < len(plain.documents)
    with pytest.raises(RefusedInput, match=r"pack\.mixture\.weights\.fr: .* language 'fr'; expected some of de, en"):
        packed(by="language", weights={"fr": 1.0})


# --- the split ---


def test_what_hangs_together_is_not_parted(run_stage: Callable[..., Any], tmp_path: Path, tiny_encoder: Path) -> None:
    """Pairs of documents, and one component of a third of all, which is too large to be held out."""
    corpus: Corpus = make_corpus(tmp_path / "corpus", {"a": texts(120)})
    ids = sorted(row for row in _ids(corpus))
    component = {ids[at]: ids[0] if at < 40 else ids[at - at % 2] for at in range(120)}
    listed = iter([component[document] for document in _ids(corpus)])
    write_ledger(corpus.path, component=lambda _: next(listed))
    config = PackConfig(max_seq_length=32, heldout_fraction=0.3)
    made = load_packed(run_stage(pack, config, corpus, make_tokenizer(tmp_path / "tokenizer", tiny_encoder)).path)
    held = {document.tobytes() for document in made.documents[made.heldout]}
    assert 5 < len(held) < 50
    assert not held & set(ids[:40])
    for at in range(40, 120, 2):
        assert (ids[at] in held) == (ids[at + 1] in held)


def _ids(corpus: Corpus) -> list[bytes]:
    from tasks.corpus.document import read_documents

    return read_documents(corpus.path / "documents", ["id"])["id"].to_pylist()
