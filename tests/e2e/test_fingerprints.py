"""Which nodes a change concerns: every section, every input, every stage; and what concerns none.

Fingerprints alone, no child process. What follows from what is written down here by hand.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import flows.road
from flows.inputs import find_inputs
from pipeline_config.load import load
from tasks.runtime.settings import Settings
from tasks.runtime.stage import Stage, node_name
from tasks.runtime.store import Store
from tasks.runtime.workspace import Workspace
from tests.e2e.workspace import NODES, bare_environment

FINETUNED = ["finetune.frozen", "finetune.base", "finetune.compact", "finetune.adapted"]
FOLLOWS = {
    "ingest.corpus": ["clean"],
    "ingest.general": ["tokenizer", "evaluate"],
    "ingest.labels": ["select", *FINETUNED, "distill", "compress", "evaluate"],
    "clean": ["measure", "select"],
    "measure": ["select"],
    "select": ["tokenizer", "pack", "distill"],
    "tokenizer": ["pack", "pretrain"],
    "pack": ["pretrain"],
    "pretrain": ["finetune.adapted", "distill", "evaluate"],
    "finetune.frozen": ["evaluate"],
    "finetune.base": ["distill", "evaluate"],
    "finetune.compact": ["evaluate"],
    "finetune.adapted": ["evaluate"],
    "distill": ["compress", "evaluate"],
    "compress": ["evaluate"],
    "evaluate": [],
}


def and_what_follows(roots: Sequence[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += FOLLOWS[node]
    return found


@dataclass
class Walk:
    """A `Call` that only notes fingerprints."""

    root: Path
    seen: dict[str, str] = field(default_factory=dict)

    def __call__(self, stage: Stage[Any, Any], part: str, /, *args: Any, **kwargs: Any) -> Any:
        node = node_name(stage, part)
        self.seen[node] = stage.fingerprint(stage.bind(*args, **kwargs))
        return stage.result(node=node, fingerprint=self.seen[node], path=self.root / node)


def fingerprints(root: Path, *overrides: str) -> dict[str, str]:
    config = load(root / "textmill.yaml", overrides)
    walk = Walk(root)
    flows.road.road(config, find_inputs(config, Store(Workspace(root))), walk)
    return walk.seen


@pytest.fixture(scope="module")
def before(raw: Path) -> dict[str, str]:
    found = fingerprints(raw)
    assert list(found) == NODES
    assert set(FOLLOWS) == set(NODES)
    return found


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert list(after) == list(before)
    return {node for node in before if before[node] != after[node]}


SETTINGS = {
    "ingest.corpus": [
        "ingest.corpus.sources.0.name=renamed",
        "ingest.corpus.sources.0.id=[]",
        "ingest.corpus.sources.0.metadata=[id]",
        "ingest.corpus.sources.0.max_record_bytes=999",
        "ingest.corpus.sources.1.text=[body]",
        "ingest.corpus.sources.1.separator=' '",
        "ingest.corpus.sources.3.format.unit=line",
    ],
    "ingest.general": ["ingest.general.sources.0.max_record_bytes=999"],
    "ingest.labels": [
        "ingest.labels.seed=1",
        "ingest.labels.min_label_count=2",
        "ingest.labels.group_jaccard=0.4",
        "ingest.labels.max_train_examples=30",
        "ingest.labels.markup=html",
        "ingest.labels.label_list=single",
        "ingest.labels.drop=[logging]",
        "ingest.labels.split.test=0.3",
        "ingest.labels.sources.0.group=''",
    ],
    "clean": ["clean.edits=[{kind: whitespace}]", "clean.edits=[{kind: repair}, {kind: normal_form, form: NFKC}]"],
    "measure": [
        "measure.language.characters=100",
        "measure.perplexity.order=5",
        "measure.perplexity.sample_bytes=30000",
        "measure.signature.permutations=56",
        "measure.signature.seed=2",
    ],
    "select": [
        "select.rules.0.minimum=5",
        "select.rules.1.report_only=true",
        "select.exact_duplicates=false",
        "select.near_duplicates=null",
        "select.near_duplicates.threshold=0.7",
        "select.decontaminate.containment=0.6",
        "select.priority=[pages]",
    ],
    "tokenizer": ["tokenizer.report_documents=99", "tokenizer.report_terms=9"],
    "pack": [
        "pack.max_seq_length=32",
        "pack.heldout_fraction=0.2",
        "pack.max_documents={events: 9}",
        "pack.seed=1",
    ],
    "pretrain": [
        "pretrain.objective.layers=[0, 1]",
        "pretrain.objective.cosine_weight=1.0",
        "pretrain.objective={kind: mlm}",
        "pretrain.budget.steps=241",
        "pretrain.budget={kind: tokens, tokens: 1000}",
        "pretrain.mixture={pages: 2}",
        "pretrain.train_batch_size=9",
        "pretrain.learning_rate=1e-3",
        "pretrain.warmup_steps=9",
        "pretrain.weight_decay=0.0",
        "pretrain.adam_betas=[0.9, 0.99]",
        "pretrain.max_grad_norm=null",
        "pretrain.ema_decay=null",
        "pretrain.precision=bf16",
        "pretrain.heldout_tokens=400",
        "pretrain.seed=1",
    ],
    "finetune.frozen finetune.base finetune.compact finetune.adapted": [
        "finetune.pooling=max",
        "finetune.max_seq_length=40",
        "finetune.truncation_side=left",
        "finetune.class_weights=balanced",
        "finetune.probe_c=[1.0]",
    ],
    "finetune.base finetune.compact finetune.adapted": [
        "finetune.learning_rate=1e-4",
        "finetune.head_learning_rate=1e-3",
        "finetune.num_train_epochs=4",
        "finetune.head_init=scratch",
        "finetune.early_stopping_patience=2",
        "finetune.dropout=0.0",
        "finetune.seeds=[7]",
    ],
    "finetune.frozen": ["finetune.frozen.layers=[0]"],
    "finetune.base": ["finetune.base.learning_rate=1e-4"],
    "finetune.compact": ["finetune.compact.layers=[0, 1]"],
    "finetune.adapted": ["finetune.adapted.pooling=cls"],
    "distill": [
        "distill.student={kind: teacher_layers, layers: [0, 3]}",
        "distill.losses=[{kind: soft_targets, temperature: 3.0}]",
        "distill.transfer_sources=[pages]",
        "distill.max_transfer_documents=59",
        "distill.head_init=teacher",
        "distill.learning_rate=1e-4",
        "distill.seed=1",
    ],
    "compress": [
        "compress.backend={kind: onnx_int8, per_channel: false}",
        "compress.parity_tolerance=0.01",
        "compress.seed=1",
    ],
    "evaluate": [
        "evaluate.metric=accuracy",
        "evaluate.resamples=300",
        "evaluate.confidence=0.9",
        "evaluate.tfidf.word_ngrams=2",
        "evaluate.forgetting=null",
        "evaluate.forgetting.steps=21",
        "evaluate.efficiency.repetitions=4",
        "evaluate.seed=1",
    ],
    "": [
        "model.name=other",
        "promotion.auto=false",
        "promotion.variant=student",
        "promotion.min_agreement=0.5",
        "promotion.intended_use=none",
        # defaults written out
        "clean.edits=[{kind: repair}, {kind: normal_form, form: NFC}, {kind: whitespace, max_empty_lines: 1}]",
        "measure.signature.seed=1",
        "finetune.dropout=0.1",
        "finetune.base.enabled=true",
        "pretrain.weight_decay=1e-2",
        "distill.student={kind: checkpoint}",
        "compress.backend={kind: onnx_int8, per_channel: true}",
        "ingest.corpus.sources.0.format=auto",
        "ingest.corpus.sources.0.exclude=['*.bak']",
    ],
}


@pytest.mark.parametrize(
    ("nodes", "override"), [(nodes, item) for nodes, items in SETTINGS.items() for item in items], ids=lambda x: x
)
def test_a_setting_concerns_its_node_and_what_follows(
    raw: Path, before: dict[str, str], nodes: str, override: str
) -> None:
    assert changed(before, fingerprints(raw, override)) == and_what_follows(nodes.split())


def test_every_section_stands_in_the_table() -> None:
    from pipeline_config.pipeline import PipelineConfig

    tried = {override.partition(".")[0] for overrides in SETTINGS.values() for override in overrides}
    assert tried == set(PipelineConfig.model_fields)


def test_more_seeds_are_more_nodes(raw: Path, before: dict[str, str]) -> None:
    after = fingerprints(raw, "finetune.seeds=[42, 7]")
    assert set(after) - set(before) == {"finetune.base.s7", "finetune.compact.s7", "finetune.adapted.s7"}
    assert {node for node in before if after[node] != before[node]} == {"evaluate"}


def test_a_model_left_out_concerns_only_the_ladder(raw: Path, before: dict[str, str]) -> None:
    after = fingerprints(raw, "finetune.compact.enabled=false")
    assert set(before) - set(after) == {"finetune.compact"}
    assert {node for node in after if after[node] != before[node]} == {"evaluate"}


BASE = ["tokenizer", "pretrain", "finetune.frozen", "finetune.base", "finetune.compact", "evaluate"]


def append(name: str) -> Callable[[Path], None]:
    def do(root: Path) -> None:
        with (root / name).open("ab") as file:
            file.write(b"x\n")

    return do


def flip(name: str) -> Callable[[Path], None]:
    def do(root: Path) -> None:
        content = bytearray((root / name).read_bytes())
        content[-1] ^= 1
        (root / name).write_bytes(content)

    return do


INPUTS: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "jsonl": (append("data/events.jsonl"), ["ingest.corpus"]),
    "csv": (append("data/tickets.csv"), ["ingest.corpus"]),
    "md": (append("data/pages/page07.md"), ["ingest.corpus"]),
    "txt": (append("data/manual.txt"), ["ingest.corpus"]),
    "one byte": (flip("data/events.jsonl"), ["ingest.corpus"]),
    "a new file": (lambda root: (root / "data/pages/new.md").write_text("New."), ["ingest.corpus"]),
    "a file less": (lambda root: (root / "data/pages/page07.md").unlink(), ["ingest.corpus"]),
    "another name": (lambda root: (root / "data/pages/page07.md").rename(root / "data/pages/z.md"), ["ingest.corpus"]),
    "general": (append("data/general.txt"), ["ingest.general"]),
    "labels": (append("data/labels.csv"), ["ingest.labels"]),
    "weights": (flip("base/model.safetensors"), BASE),
    "base tokenizer": (append("base/tokenizer.json"), BASE),
    "base config": (append("base/config.json"), BASE),
    "a card beside the model": (lambda root: (root / "base/README.md").write_text("Hello."), []),
    "a hidden file": (lambda root: (root / "data/pages/.notes.md").write_text("Hello."), []),
    "times of files": (lambda root: [os.utime(path, (1, 1)) for path in root.rglob("*")], []),
}


@pytest.mark.parametrize(("change", "roots"), INPUTS.values(), ids=INPUTS)
def test_an_input_file_concerns_who_reads_it(
    raw: Path, before: dict[str, str], tmp_path: Path, change: Callable[[Path], object], roots: list[str]
) -> None:
    root = tmp_path / "elsewhere"
    shutil.copytree(raw, root)
    assert fingerprints(root) == before, "the place of a workspace counts for nothing"
    change(root)
    assert changed(before, fingerprints(root)) == and_what_follows(roots)


def test_the_language_model_counts_by_its_bytes(raw: Path, before: dict[str, str], tmp_path: Path) -> None:
    from flows.inputs import find_language_model

    store = Store(Workspace(raw))
    package = load(raw / "textmill.yaml").measure.language.model_path
    other = tmp_path / "lid.ftz"
    shutil.copy(find_language_model(package, store).files[0].path, other)
    flip(other.name)(tmp_path)
    after = fingerprints(raw, f"measure.language.model_path={other}")
    assert changed(before, after) == and_what_follows(["measure"])


STAGES = {
    "ingest_text": ["ingest.corpus", "ingest.general"],
    "ingest_labels": ["ingest.labels"],
    "clean": ["clean"],
    "measure": ["measure"],
    "select": ["select"],
    "make_tokenizer": ["tokenizer"],
    "pack": ["pack"],
    "pretrain": ["pretrain"],
    "finetune": FINETUNED,
    "distill": ["distill"],
    "compress": ["compress"],
    "evaluate": ["evaluate"],
}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_version_concerns_its_nodes(
    raw: Path, before: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = getattr(flows.road, name)
    monkeypatch.setattr(flows.road, name, replace(stage, version=stage.version + 1))
    assert changed(before, fingerprints(raw)) == and_what_follows(STAGES[name])


@pytest.mark.parametrize(
    ("name", "value"),
    {
        "WORKERS": "7",
        "DEVICE": "cpu",
        "MICRO_BATCH_SIZE": "3",
        "LEASES": "/nowhere",
        "SLOTS": "0,1",
        "NEEDS": "pretrain=0.5",
    }.items(),
)
def test_machine_settings_concern_nothing(
    raw: Path, before: dict[str, str], name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"TEXTMILL_{name}", value)
    assert Settings.from_environment() != Settings()
    assert fingerprints(raw) == before


PROGRAM = """
import json, sys
from pathlib import Path
from tests.e2e.test_fingerprints import fingerprints
print(json.dumps(fingerprints(Path(sys.argv[1]))))
"""


def test_the_hash_seed_concerns_nothing(raw: Path, before: dict[str, str], tmp_path: Path) -> None:
    """In other processes, in another folder."""
    for seed in ("1", "2"):
        environment = {**bare_environment(), "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", PROGRAM, str(raw)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment)
        assert json.loads(done.stdout) == before
