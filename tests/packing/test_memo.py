"""Units that are encoded once, against the tokenizers library on whole texts."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, trainers

from tasks.packing.exact_cuts import exact_cuts
from tasks.packing.memo import Memo

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TRAINED = [
    "the bucket's keys aren't rotated; node.js and c++ run on kubernetes, don't they? café naïve Σίσυφος ΟΔΟΣ",
    "storage  access-key policy_name 10.0.0.1 = [x] <y> “quoted” … 東京都 汉字 ありがとう 한국어 ไทย हिन्दी עברית",
] * 3

WORDPIECE = models.WordPiece, trainers.WordPieceTrainer, {"unk_token": "[UNK]"}
BPE = models.BPE, trainers.BpeTrainer, {}
UNIGRAM = models.Unigram, trainers.UnigramTrainer, {}
N, P = normalizers, pre_tokenizers
BUILT: dict[str, tuple[Any, Any, Any]] = {
    "wordpiece uncased": (WORDPIECE, N.BertNormalizer(lowercase=True), P.BertPreTokenizer()),
    "wordpiece cased": (WORDPIECE, N.BertNormalizer(lowercase=False), P.BertPreTokenizer()),
    "wordpiece composed": (WORDPIECE, N.Sequence([N.NFKC(), N.Lowercase()]), P.BertPreTokenizer()),
    "wordpiece without accents": (WORDPIECE, N.Sequence([N.NFD(), N.StripAccents()]), P.BertPreTokenizer()),
    "wordpiece without normalizer": (WORDPIECE, None, P.BertPreTokenizer()),
    "byte-level": (BPE, N.Sequence([N.NFC(), N.Lowercase()]), P.ByteLevel(add_prefix_space=False)),
    "byte-level with a space first": (BPE, None, P.ByteLevel(add_prefix_space=True)),
    "unigram": (UNIGRAM, N.NFKC(), P.Metaspace(prepend_scheme="always")),
    "unigram, space at the start": (UNIGRAM, N.NFKD(), P.Metaspace(prepend_scheme="first")),
    "unigram after spaces": (UNIGRAM, N.NFKC(), P.Sequence([P.WhitespaceSplit(), P.Metaspace()])),
    "words": (WORDPIECE, N.Lowercase(), P.Sequence([P.Whitespace(), P.Digits(individual_digits=True)])),
}


@cache
def trained(name: str, added: bool = False) -> Tokenizer:
    (model, trainer, options), normalizer, pre_tokenizer = BUILT[name]
    made = Tokenizer(model(**options))
    if normalizer:
        made.normalizer = normalizer
    made.pre_tokenizer = pre_tokenizer
    more = {"unk_token": "[UNK]"} if model is models.Unigram else {}
    more |= {"initial_alphabet": P.ByteLevel.alphabet()} if isinstance(pre_tokenizer, P.ByteLevel) else {}
    made.train_from_iterator(TRAINED, trainer(vocab_size=400, special_tokens=SPECIAL, show_progress=False, **more))
    if added:
        words = [("istio", True, True), ("node.js", False, True), ("c++", False, False), ("Café", True, True)]
        made.add_tokens([AddedToken(word, single_word=s, normalized=n) for word, s, n in words])
    made.encode_special_tokens = True
    return made


def expected(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False).ids)


def found(memo: Memo, texts: list[str]) -> list[list[int]]:
    ids, lengths = memo.encode(pa.array(texts, pa.large_string()))
    assert lengths.sum() == len(ids)
    rest, rows = ids.tolist(), []
    for length in lengths.tolist():
        rows.append(rest[:length])
        rest = rest[length:]
    return rows


HARD = [
    *"\x00\t\n\x0b\x0c\r\x1c\x7f\x85\xa0\xad\u0301\u0338\u200b\u200d\u2028\u2581\u3000\ufeff\ufffd\ufdfaﬁ½´ΣσİIß漢字カ각ไ",
    *" 'sdtm._-+=<>[]1xKé,",
    *SPECIAL,
    *("  ", "'s", "'re", "don't", "e\u0301", "=\u0338", "Σ ", "ΟΔΟΣ.", "the", "istio", "node.js", "c++", "c\x00++"),
    *(
        "café",
        "cafe\u0301",
        "x" * 99,
        "x" * 101,
        "東京都",
        "한국어",
        "👩‍👩‍👧",
        "\u1100\u1161",
        "10.0.0.1",
        "policy_name",
    ),
]
TEXTS = st.lists(
    st.lists(st.sampled_from(HARD) | st.characters(codec="utf-8") | st.characters(max_codepoint=127), max_size=14).map(
        "".join
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("name", BUILT)
def test_ids_are_those_of_the_whole_text(name: str, added: bool) -> None:
    tokenizer = trained(name, added)
    cuts = exact_cuts(tokenizer)
    assert cuts[ord("x"), ord(" ")], "words are parted"
    memo = Memo(tokenizer, cuts, units=40, unit_bytes=128)

    @given(TEXTS)
    def compare(texts: list[str]) -> None:
        assert found(memo, texts) == [expected(tokenizer, text) for text in texts]

    compare()


def test_texts_of_every_kind_by_name() -> None:
    tokenizer = trained("wordpiece uncased")
    memo = Memo(tokenizer, exact_cuts(tokenizer))
    texts = [
        "",
        " ",
        "Bucket [SEP] key",
        "the " + "x" * 101 + " key",
        "汉字and字",
        "the\x00 bucket",
        "the the",
        "café",
        "x =\u0338 y",
    ]
    rows = found(memo, texts)
    assert rows == [expected(tokenizer, text) for text in texts]
    assert tokenizer.token_to_id("[SEP]") not in rows[2], "in a text it is a word"
    assert rows[3].count(tokenizer.token_to_id("[UNK]")) == 1, "a word of over 100 characters"
    assert rows[6] == [tokenizer.token_to_id("the")] * 2


def test_a_unit_goes_to_the_tokenizer_once() -> None:
    tokenizer = trained("wordpiece uncased")
    asked: list[str] = []

    class Asked:
        def encode_batch(self, texts: list[list[str]], **options: Any) -> Any:
            asked.extend(unit for together in texts for unit in together)
            return tokenizer.encode_batch(texts, **options)

    memo = Memo(Asked(), exact_cuts(tokenizer))
    asked.clear()
    found(memo, ["a key, a bucket", "bucket,key"])
    found(memo, ["key bucket key"])
    assert asked == ["key", "bucket"]


def test_added_tokens_that_stand_alone_look_around() -> None:
    tokenizer = trained("wordpiece uncased", added=True)
    texts = ["istio_x", "x_istio", "istio-x", "a istio.", "xnode.jsx", "c++c++", "a Café, b"]
    rows = found(Memo(tokenizer, exact_cuts(tokenizer)), texts)
    assert rows == [expected(tokenizer, text) for text in texts]
    alone = tokenizer.token_to_id("istio")
    assert [alone in row for row in rows[:4]] == [False, False, True, True]


def test_slices_and_long_runs() -> None:
    """More units than are looked up at once, a text longer than the memo, and a slice of a column."""
    tokenizer = trained("wordpiece cased")
    memo = Memo(tokenizer, exact_cuts(tokenizer), units=3, unit_bytes=8)
    texts = ["skipped", "key, " * 100_000, "bucket" * 50, "", "a b c dd ee ff gg hh key"]
    column = pa.array(texts, pa.large_string()).slice(1)
    ids, lengths = memo.encode(column)
    assert lengths.tolist() == [len(expected(tokenizer, text)) for text in texts[1:]]
    assert ids.tolist() == [one for text in texts[1:] for one in expected(tokenizer, text)]


def changed(name: str, change: Callable[[dict[str, Any]], Any], added: AddedToken | None = None) -> Tokenizer:
    record = json.loads(trained(name).to_str())
    change(record)
    made = Tokenizer.from_str(json.dumps(record))
    if added:
        made.add_tokens([added])
    made.encode_special_tokens = True
    return made


@pytest.mark.parametrize(
    "tokenizer",
    [
        pytest.param(lambda: changed("byte-level", lambda made: made["model"].update(dropout=0.1)), id="dropout"),
        pytest.param(lambda: changed("byte-level", lambda made: made.update(pre_tokenizer=None)), id="whole texts"),
        pytest.param(lambda: changed("unigram", lambda made: made["pre_tokenizer"].update(split=False)), id="no split"),
        pytest.param(
            lambda: changed("unigram", lambda made: made.update(normalizer={"type": "Prepend", "prepend": "▁"})),
            id="another normalizer",
        ),
        pytest.param(
            lambda: changed("words", lambda _: None, AddedToken("storage", rstrip=True)), id="takes spaces beside it"
        ),
    ],
)
def test_what_is_not_known_to_be_exact_is_not_cut(tokenizer: Callable[[], Tokenizer]) -> None:
    assert not exact_cuts(tokenizer()).any()
