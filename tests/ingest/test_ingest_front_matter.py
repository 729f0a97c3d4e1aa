"""Texts under YAML front matter: columns, labels by family, and what is no front matter."""

from __future__ import annotations

import importlib.util
import io
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline_config.ingest import FrontMatter, LabelsConfig
from pipeline_config.load import PRESETS
from tasks.ingest.labels import read as read_labels
from tasks.ingest.readers.front_matter import read
from tasks.ingest.readers.record import Record, Unreadable
from tests.ingest.sources import files_for, labels_config

Put = Callable[[str, bytes | str], Path]
installed = importlib.util.find_spec("licensedcode") is not None


def one(content: str | bytes, limit: int = 10_000) -> dict[str, Any] | str:
    (item,) = read(io.BytesIO(content.encode() if isinstance(content, str) else content), limit)
    if isinstance(item, Unreadable):
        return item.reason
    assert isinstance(item.value, dict)
    return item.value


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("---\nkey: mit\n---\n\nPermission is\n", {"key": "mit", "text": "Permission is\n"}),
        ("---\r\nkey: mit\r\n---\r\nwords\r\n", {"key": "mit", "text": "words\r\n"}),
        ("\ufeff---\nkey: mit\n---\nwords", {"key": "mit", "text": "words"}),
        ("---\nkey: mit\n---", {"key": "mit", "text": ""}),
        ("---\n---\nwords", {"text": "words"}),
        ("just words\n---\nmore", {"text": "just words\n---\nmore"}),
        ("----\nkey: mit\n---\nwords", {"text": "----\nkey: mit\n---\nwords"}),
        ("---\na: 1\n---\none\n---\ntwo", {"a": "1", "text": "one\n---\ntwo"}),
        # Of YAML 1.1 these would be False, a number that loses its zero, a date and nothing.
        ("---\na: no\nb: 1.10\nc: 2020-01-01\n---\nx", {"a": "no", "b": "1.10", "c": "2020-01-01", "text": "x"}),
        ("---\na: null\n---\nx", {"a": "null", "text": "x"}),
        ("---\ntags: [a, b]\n---\nx", {"tags": ["a", "b"], "text": "x"}),
        ("---\na: b * c\n---\nx", {"a": "b * c", "text": "x"}),
    ],
)
def test_keys_are_columns_and_the_rest_is_the_text(content: str, expected: dict[str, Any]) -> None:
    assert one(content) == expected


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("---\nkey: mit\n", "the front matter is opened and never closed"),
        ("---\n- a\n---\nx", "the front matter is no mapping of names"),
        ("---\nwords\n---\nx", "the front matter is no mapping of names"),
        ("---\ntext: a\n---\nx", "the front matter has a key text"),
        ("---\na: [1\n---\nx", "the front matter is not YAML"),
        ("---\na: &x [1]\nb: [*x, *x]\n---\nx", "the front matter has a YAML alias"),
        ("---\na: " + "[" * 4000 + "\n---\nx", "the front matter is not YAML"),
        ("---\nkey: mit\nkey: bsd\n---\nx", "the front matter is not YAML: a key stands twice: 'key'"),
        ("---\na: {b: 1, b: 2}\n---\nx", "the front matter is not YAML: a key stands twice: 'b'"),
        (b"---\na: \xff\n---\nx", "not UTF-8"),
        ("x" * 10_001, "too long"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_cannot_be_read_says_why(content: str | bytes, reason: str) -> None:
    found = one(content)
    assert isinstance(found, str)
    assert found.startswith(reason)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=60))
def test_no_text_is_lost(body: str) -> None:
    (item,) = read(io.BytesIO(f"---\nkey: a\n---\n{body}".encode()), 1000)
    assert isinstance(item, Record)
    assert item.value == {"key": "a", "text": body.lstrip("\n")}
    assert item.raw == f"---\nkey: a\n---\n{body}".encode()


# --- groups by a part of a column ---


def labelled(
    put: Callable[[str, bytes | str], Path], tmp_path: Path, **source: Any
) -> list[tuple[str | None, str | None]]:
    for key, label in (("gpl-2.0", "copyleft"), ("gpl-3.0-plus", "copyleft"), ("mit", "permissive"), ("-x", "other")):
        put(f"data/{key}.LICENSE", f"---\nkey: {key}\ncategory: {label}\n---\nThe text of {key}.\n")
    source = {"format": FrontMatter(kind="front_matter"), "label": "category", "group": "key", **source}
    config = labels_config("data/*.LICENSE", source=source)
    examples, bad = read_labels(config, files_for(config, tmp_path))
    assert not bad
    return sorted((example.external_id or example.text[12:-2], example.group) for example in examples)


def test_a_pattern_takes_the_family_of_a_key(put: Put, tmp_path: Path) -> None:
    families = [("-x", "-x"), ("gpl-2.0", "gpl"), ("gpl-3.0-plus", "gpl"), ("mit", "mit")]
    assert labelled(put, tmp_path, group_pattern="^[^-]+") == families
    assert labelled(put, tmp_path) == [(name, name) for name, _ in families]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ({"group_pattern": "("}, "needs a column: set group"),
        ({"group": "key", "group_pattern": "("}, "no regular expr"),
    ],
)
def test_a_pattern_that_is_none_is_refused(source: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        labels_config("data", source=source)


# --- the preset ---


@pytest.mark.skipif(not installed, reason="the data package licensedcode-data is not installed")
def test_labels_of_the_licensing_preset() -> None:
    values = yaml.safe_load((PRESETS / "software-licensing.yaml").read_text(encoding="utf-8"))
    config = LabelsConfig.model_validate(values["ingest"]["labels"])
    files = files_for(config, Path())
    examples, bad = read_labels(config, files)
    # Counted by regular expressions over the files.
    texts = [file.path.read_text(encoding="utf-8") for file in files.files]
    full = [text for text in texts if text.split("---", 2)[2].strip()]
    expected = Counter(
        re.findall(r"^category: (.+)$", "\n".join(re.split(r"^---", t, flags=re.M)[1] for t in full), re.M)
    )
    assert Counter(example.label for example in examples) == expected
    assert len(expected) == 11
    assert (len(examples), len(examples) + len(bad)) == (len(full), 2310)
    assert len({example.group for example in examples}) < len(full) / 1.5
