"""Kneser–Ney: estimation against the paper, written out plainly, and by hand; look-up against KenLM, which reads what
we estimated (its wheel has no `lmplz`); folds; who scores whom."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_config.measure import MeasureConfig
from tasks.corpus.document import text_digest
from tasks.curation.measures import perplexity
from tasks.curation.measures.cross_fitting import Sample, components, folds
from tasks.curation.measures.kneser_ney import BEGIN, FALLBACK, LANES, VOCABULARY, Model, count, discounts, estimate
from tasks.curation.measures.perplexity import CrossFitted
from tasks.dedup.signatures import sign
from tasks.dedup.words import hash_words

UTF8 = [*range(0xC0), *range(0xC2, 0xF5)]
TEXTS = st.lists(st.text(alphabet="abcé \n", max_size=30).map(str.encode), max_size=4)
WORDS = [
    f"{first}{second}" for first in ("key", "log", "role", "rule", "net") for second in ("s", "ed", "ing", "er", "")
]


def bits(model: Model, texts: list[bytes]) -> np.ndarray:
    borders = np.cumsum([0, *map(len, texts)])
    return model.bits(np.frombuffer(b"".join(texts), np.uint8), borders[:-1], borders[1:])


def sentence(seed: int, words: int = 60) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, words))


def slow_counts(texts: list[bytes], order: int) -> dict[tuple[int, ...], int]:
    """Adjusted counts (Heafield et al. 2013, section 3): occurrences, or the distinct bytes before an n-gram."""
    occurrences: Counter[tuple[int, ...]] = Counter()
    before: defaultdict[tuple[int, ...], set[int]] = defaultdict(set)
    for text in texts:
        symbols = (BEGIN, *text)
        for n in range(1, order + 1):
            for at in range(len(symbols) - n + 1):
                gram = symbols[at : at + n]
                occurrences[gram] += 1
                before[gram] |= {symbols[at - 1]} if at else set()
    return {
        gram: often if len(gram) == order or gram[0] == BEGIN else len(before[gram])
        for gram, often in occurrences.items()
        if gram != (BEGIN,)
    }


def slow_probability(counts: dict[tuple[int, ...], int], gram: tuple[int, ...]) -> float:
    """Chen & Goodman 1998, equations 27 and 29."""
    context, n = gram[:-1], len(gram)
    below = slow_probability(counts, gram[1:]) if n > 1 else 1 / VOCABULARY
    following = {other: often for other, often in counts.items() if len(other) == n and other[:-1] == context}
    if not following:
        return below
    of_counts = Counter(often for other, often in counts.items() if len(other) == n)
    n1, n2, n3, n4 = (of_counts[times] for times in (1, 2, 3, 4))
    cuts = FALLBACK
    if n1 and n2 and n3 and n4:
        y = n1 / (n1 + 2 * n2)
        own = 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
        cuts = own if 0 < own[0] <= 1 and 0 < own[1] <= 2 and 0 < own[2] <= 3 else FALLBACK
    total = sum(following.values())
    spared = sum(cuts[min(often, 3) - 1] for often in following.values())
    seen = following.get(gram, 0)
    return ((seen - cuts[min(seen, 3) - 1] if seen else 0) + spared * below) / total


@given(TEXTS, st.integers(1, 4))
def test_counts_equal_those_of_dictionaries(texts: list[bytes], order: int):
    expected = slow_counts(texts, order)
    found = {
        tuple(int(key).to_bytes(n, "big")): int(often)
        for n, (keys, counts) in enumerate(count(texts, order), 1)
        for key, often in zip(keys, counts, strict=True)
        if often
    }
    assert found == expected


@given(TEXTS, st.text(alphabet="abcdé", max_size=8).map(str.encode), st.integers(1, 4))
def test_bits_equal_the_definition(texts: list[bytes], text: bytes, order: int):
    counts = slow_counts(texts, order)
    symbols = (BEGIN, *text)
    expected = -sum(
        np.log2(slow_probability(counts, symbols[max(0, at - order + 1) : at + 1])) for at in range(1, len(symbols))
    )
    assert bits(Model.fit(texts, order), [text])[0] == pytest.approx(expected, abs=1e-3)


def test_discounts_are_those_of_a_count_by_hand():
    counts = np.repeat([1, 2, 3, 4], [8, 4, 2, 1])  # y = 8/16
    assert discounts(counts) == (1 - 2 * 0.5 * 4 / 8, 2 - 3 * 0.5 * 2 / 4, 3 - 4 * 0.5 * 1 / 2)
    assert discounts(np.array([1, 2, 3])) == FALLBACK


class Paper:
    """Modified Kneser–Ney after Chen & Goodman 1998 (TR-10-98): sections 2.7 and 3, by the occurrences alone.

    c(g) are occurrences, N₁₊(•g) the distinct bytes before g, which take their place below the highest order. A text
    begins with a symbol that nothing precedes, so n-grams with it have no N₁₊(•g) and keep c(g).
    """

    def __init__(self, texts: list[bytes], order: int) -> None:
        self.order = order
        symbols = [(BEGIN, *text) for text in texts]
        self.c: dict[int, dict[tuple[int, ...], int]] = {}
        for n in range(1, order + 1):
            grams = [one[at : at + n] for one in symbols for at in range(len(one) - n + 1)]
            if n == order:
                self.c[n] = Counter(grams)
                continue
            preceded = {(one[at - 1], *one[at : at + n]) for one in symbols for at in range(1, len(one) - n + 1)}
            kept = Counter(gram for gram in grams if gram[0] == BEGIN and n > 1)
            self.c[n] = kept + Counter(gram[1:] for gram in preceded)
        self.d = {n: self.discounts(list(counts.values())) for n, counts in self.c.items()}

    @staticmethod
    def discounts(counts: list[int]) -> list[float]:
        """Equation 26: Y = n₁/(n₁ + 2n₂), D₁ = 1 − 2Y·n₂/n₁, D₂ = 2 − 3Y·n₃/n₂, D₃₊ = 3 − 4Y·n₄/n₃."""
        n1, n2, n3, n4 = (counts.count(times) for times in (1, 2, 3, 4))
        y = n1 / (n1 + 2 * n2)
        return [0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]

    def p(self, gram: tuple[int, ...]) -> float:
        """Interpolated, and its γ: the mass of the discounts of what follows a context, by how many have which."""
        n, context = len(gram), gram[:-1]
        if n == 0:
            return 1 / VOCABULARY
        lower = self.p(gram[1:]) if n > 1 else 1 / VOCABULARY
        following = [count for other, count in self.c[n].items() if other[:-1] == context]
        if not following:
            return lower
        d, count = self.d[n], self.c[n].get(gram, 0)
        ones, twos = following.count(1), following.count(2)
        gamma = (d[1] * ones + d[2] * twos + d[3] * (len(following) - ones - twos)) / sum(following)
        return max(count - d[min(count, 3)], 0) / sum(following) + gamma * lower


def test_estimation_is_that_of_the_paper_with_discounts_of_its_own():
    """Letters of which most are rare, so that in each order n-grams have the counts 1, 2, 3 and 4: no stand-in is at
    work."""
    draw, letters = np.random.default_rng(0), [chr(code) for code in (*range(97, 127), *range(33, 96), 228)]
    weights = np.arange(1, len(letters) + 1) ** -1.6
    texts = ["".join(draw.choice(letters, 150, p=weights / weights.sum())).encode() for _ in range(12)]
    order = 4
    paper, found = Paper(texts, order), estimate(texts, order)
    for n, grams in enumerate(found, 1):
        assert discounts(grams.counts) == pytest.approx(tuple(paper.d[n][1:]))
        assert discounts(grams.counts) != FALLBACK
        keys = [tuple(int(key).to_bytes(n, "big")) for key in grams.keys]
        seen = zip(keys, grams.counts.tolist(), grams.probabilities.tolist(), strict=True)
        told = {key: (count, share) for key, count, share in seen if count}
        assert {key: count for key, (count, _) in told.items()} == paper.c[n]
        for key, (_, share) in list(told.items())[:: 1 + len(told) // 100]:
            assert share == pytest.approx(paper.p(key), rel=1e-9)


def test_two_bytes_by_hand():
    """Of "aab", order 2. Bigrams ⟨a, aa, ab once each; a stands behind ⟨ and a, b behind a. Too few for discounts of
    their own: 1/2, 1, 3/2."""
    half, floor = Fraction(1, 2), Fraction(1, 243)
    a, b = Fraction(2 - 1, 3) + half * floor, (1 - half) / 3 + half * floor  # γ = (1 + 1/2) / 3
    first = (1 - half) / 1 + half * a  # behind ⟨ only a, once
    second = (1 - half) / 2 + half * b  # behind a: a and b, once each
    assert bits(Model.fit([b"aab"], 2), [b"ab"])[0] == pytest.approx(-np.log2(float(first * second)), abs=1e-4)


def test_the_probabilities_of_all_next_bytes_add_up_to_one():
    model = Model.fit([b"abracadabra, abracadabra", "größe".encode()], 4)
    for context in (b"", b"abra", b"zz", b"gr\xc3"):
        prefix = bits(model, [context])[0]
        following = bits(model, [context + bytes([byte]) for byte in UTF8]) - prefix
        assert np.exp2(-following).sum() == pytest.approx(1.0, abs=1e-3)


def test_an_untrained_model_knows_the_bytes_of_utf_8_alone():
    assert bits(Model.fit([], 6), [b"any text", b""]).tolist() == pytest.approx([8 * np.log2(243), 0], abs=1e-3)


def test_kenlm_gives_the_same_scores(tmp_path: Path):
    kenlm = pytest.importorskip("kenlm", reason="KenLM's query module (kenlm-ex) is not installed")
    texts, order = [sentence(seed).encode() for seed in range(20)], 5
    lines = ["\\data\\"]
    sections = []
    for n, grams in enumerate(estimate(texts, order), 1):
        rows = []
        for key, share, backoff in zip(grams.keys, grams.probabilities, grams.backoffs, strict=True):
            names = " ".join("<s>" if byte == BEGIN else f"{byte:02x}" for byte in int(key).to_bytes(n, "big"))
            rows.append(f"{np.log10(share) if share else -99:.9f}\t{names}\t{np.log10(backoff):.9f}")
        rows += ["-99\t</s>\t0", "-99\t<unk>\t0"] if n == 1 else []
        rows = [row.rsplit("\t", 1)[0] for row in rows] if n == order else rows
        lines.append(f"ngram {n}={len(rows)}")
        sections += ["", f"\\{n}-grams:", *rows]
    arpa = tmp_path / "model.arpa"
    arpa.write_text("\n".join([*lines, *sections, "", "\\end\\", ""]))
    oracle, model = kenlm.Model(str(arpa)), Model.fit(texts, order)
    for text in (sentence(0), sentence(99), "zebra größe 完了", "k", "keys and logs"):
        expected = oracle.score(" ".join(f"{byte:02x}" for byte in text.encode()), bos=True, eos=False)
        assert bits(model, [text.encode()])[0] * np.log10(2) == pytest.approx(-expected, rel=1e-4)


def test_a_model_that_was_written_and_read_is_the_same(tmp_path: Path):
    model = Model.fit([sentence(1).encode()], 6)
    model.save(tmp_path / "model.npy")
    texts = [b"", sentence(2).encode(), b"other"]
    assert bits(Model.load(tmp_path / "model.npy"), texts).tolist() == bits(model, texts).tolist()


def signatures(texts: list[str]) -> np.ndarray:
    return sign(hash_words(texts), 5, 112, 1)


def fitted(texts: list[str]) -> CrossFitted:
    return CrossFitted.fit(MeasureConfig(), texts)


def test_nobody_is_scored_by_a_model_that_saw_him_or_his_twin():
    """Every text is far from all others but its twin: a model that saw one of the two would need hardly any bits."""
    texts = ["".join(map(chr, np.random.default_rng(seed).integers(97, 123, 600))) for seed in range(8)]
    spaced = [" ".join(text[at : at + 4] for at in range(0, 600, 4)) for text in texts]
    twins = [text[:-4] + "zzzz" for text in spaced]
    models = fitted(spaced + twins[:4])
    for scored in (spaced, twins):  # the last four twins came later
        assert perplexity.measure(models, scored, signatures(scored))["bits_per_byte"].min() > 3
    own = 1 - models.seen.scorer(signatures(spaced))
    needed = [bits(models.models[fold], [text.encode()])[0] for fold, text in zip(own, spaced, strict=True)]
    assert max(needed) / 749 < 2


def test_what_was_saved_measures_the_same(tmp_path: Path):
    texts = [sentence(seed) for seed in range(10)] + [""]
    models = fitted(texts[:6])
    models.save(tmp_path)
    signed = signatures(texts)
    expected = perplexity.measure(models, texts, signed)["bits_per_byte"]
    assert perplexity.measure(CrossFitted.load(tmp_path), texts, signed)["bits_per_byte"].tolist() == expected.tolist()
    assert expected[-1] == 0
    assert not list(tmp_path.glob("*.pkl")) + list(tmp_path.glob("*.npz"))


def test_components_are_chains_of_shared_keys():
    keys = np.array([[1, 10], [2, 10], [2, 11], [3, 12], [4, 13], [3, 14]], np.uint64)
    labels = components(keys)
    assert [labels[1], labels[2], labels[5]] == [labels[0], labels[0], labels[3]]
    assert len(set(labels.tolist())) == 3


def test_folds_are_balanced_and_components_stay_whole():
    fold = folds(np.array([0, 0, 1, 2, 2, 3]), np.array([30, 30, 50, 10, 5, 10]))
    assert fold.tolist() == [0, 0, 1, 1, 1, 0]  # 60 | 50, then 15 to the second, 10 to the first


def batches(texts: list[str], rows: int, source: str = "docs") -> list[pa.RecordBatch]:
    columns = {
        "source": pa.array([source] * len(texts), pa.string()),
        "text_digest": pa.array([text_digest(text) for text in texts], pa.binary(16)),
        "text": pa.array(texts, pa.large_string()),
    }
    return pa.table(columns).to_batches(max_chunksize=rows)


def sampled(given: Iterable[pa.RecordBatch], *settings: Any, **more: Any) -> Sample:
    sample = Sample(*settings, **more)
    for batch in given:
        sample.add(batch)
    return sample


@given(st.lists(st.text("ab", max_size=12), max_size=30), st.integers(1, 7), st.integers(1, 20), st.data())
def test_a_sample_is_the_texts_of_lowest_digest_that_fit(texts: list[str], rows: int, limit: int, data: st.DataObject):
    expected, total = [], 0
    for text in sorted({text for text in texts if len(text) <= 2 * limit}, key=text_digest):
        total += len(text)
        if total > 2 * limit:
            break
        expected.append(text)
    assert sampled(batches(texts, rows), 2 * limit).texts() == expected
    given = batches(texts, rows)
    whole, *others = (
        sampled([batch for batch, own in zip(given, part, strict=True) if own == at], 2 * limit)
        for part in [data.draw(st.lists(st.integers(0, 2), min_size=len(given), max_size=len(given)))]
        for at in range(3)
    )
    for other in others:
        whole.join(other)
    assert whole.texts() == expected


def test_a_sample_is_drawn_from_the_named_sources_or_from_the_others():
    given = [*batches(["gibberish xq"], 10, "crawl"), *batches(["plain text"], 10, "clean")]
    assert sampled(given, 100, ("clean",)).texts() == ["plain text"]
    assert sampled(given, 100, ("clean",), others=True).texts() == ["gibberish xq"]
    assert sorted(sampled(given, 100).texts()) == ["gibberish xq", "plain text"]


def test_texts_side_by_side_need_what_each_needs_alone():
    model = Model.fit([b"the log of the net", b"rule of the log"], 4)
    texts = [sentence(seed, seed % 7).encode() for seed in range(3 * LANES)]
    assert bits(model, texts).tolist() == [bits(model, [text])[0] for text in texts]
