"""The quickstart's own sources, as they lie in their packages. Figures were counted apart from this code."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from pipeline_config.ingest import LabelsConfig
from tasks.corpus.account import Account
from tasks.corpus.document import read_documents
from tasks.ingest.stage import ingest_labels, ingest_text
from tests.ingest.sources import files_for, labels_config, text_config

installed = {name: importlib.util.find_spec(name) is not None for name in ("botocore", "prowler")}
KMS = "package:botocore/data/kms/2014-11-01/service-2.json.gz"
SCRIPT = Path(__file__).parents[2] / "infra" / "general_text.py"


@pytest.mark.skipif(not installed["botocore"], reason="the data package botocore is not installed")
def test_documentation_of_a_real_service(run_stage: Any, tmp_path: Path) -> None:
    config = text_config(KMS, format={"kind": "json", "records": "..documentation"})
    artifact = run_stage(ingest_text, config, files_for(config, tmp_path))
    spec = importlib.util.find_spec("botocore")
    assert spec is not None
    assert spec.origin is not None
    raw = gzip.decompress((Path(spec.origin).parent / KMS.partition("/")[2]).read_bytes()).decode()
    # Counted by a regular expression over the file's text: strings under the key, not one parsed.
    found = [json.loads(text) for text in re.findall(r'"documentation" *: *("(?:[^"\\]|\\.)*")', raw)]
    documents = read_documents(artifact.path / "documents")
    assert sorted(documents["text"].to_pylist()) == sorted(found)
    assert len(found) > 500
    assert Account(**artifact.metrics["account"]).check().bytes_kept == sum(len(text.encode()) for text in found)


@pytest.mark.skipif(not installed["prowler"], reason="the data package prowler is not installed")
def test_labelled_checks(run_stage: Any, tmp_path: Path) -> None:
    config: LabelsConfig = labels_config(
        "package:prowler/providers/**/*.metadata.json",
        source={
            "text": ("CheckTitle", "Description", "Risk"),
            "id": ("Provider", "CheckID"),
            "label": "Categories",
        },
        label_list="single",
        markup="markdown",
        min_label_count=15,
        group_jaccard=0.3,
        split={"kind": "made", "validation": 0.104, "test": 0.349},
        max_train_examples=300,
    )
    files = files_for(config, tmp_path)
    metrics = run_stage(ingest_labels, config, files).metrics
    assert metrics["account"]["documents_in"] == 1642
    assert (metrics["examples"], metrics["labels"]) == (1047, 12)
    sizes = {"train": 573, "validation": 109, "test": 365}
    available = metrics["splits"] | {"train": metrics["splits"]["train"] + metrics["left_out"]["unused_training"]}
    assert available == pytest.approx(sizes, abs=6)
    assert metrics["splits"]["train"] == 300
    assert metrics["groups_across_splits"] == 0


def distribution(tmp_path: Path, members: dict[str, bytes]) -> Path:
    def packed(content: dict[str, bytes]) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name, data in content.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return buffer.getvalue()

    path = tmp_path / "sdist.tar.gz"
    inner = packed(members)
    path.write_bytes(packed({"vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz": inner}))
    return path


def test_general_text_unpacks_the_wanted_files_only(tmp_path: Path) -> None:
    names = ("amazonReviewSnippets", "movieReviewSnippets", "nytEditorialSnippets", "tweets")
    texts = {f"hutto_ICWSM_2014/{name}_GroundTruth.txt": name.encode() for name in names}
    sdist = distribution(tmp_path, {"../../evil.txt": b"x", "hutto_ICWSM_2014/._x.txt": b"mac", **texts})
    sha256 = hashlib.sha256(sdist.read_bytes()).hexdigest()
    site = tmp_path / "a" / "site"
    subprocess.run([sys.executable, SCRIPT, sdist, site, sha256], check=True)
    written = {path.relative_to(site / "vaderSentiment").as_posix(): path for path in site.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in written.items()} == texts
    assert not list(tmp_path.rglob("evil.txt"))


def test_general_text_refuses_another_file(tmp_path: Path) -> None:
    sdist = distribution(tmp_path, {})
    done = subprocess.run([sys.executable, SCRIPT, sdist, tmp_path, "0" * 64], capture_output=True, text=True)
    assert done.returncode == 1
    assert "expected 000" in done.stderr
    assert not (tmp_path / "vaderSentiment").exists()
