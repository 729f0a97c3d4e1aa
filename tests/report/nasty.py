"""A small workspace in which everything that users write is meant to break a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers

from pipeline_config.clean import CleanConfig
from pipeline_config.measure import MeasureConfig
from pipeline_config.selection import SelectConfig
from tasks.corpus.document import document_id, document_table, write_documents
from tasks.curation.stage import clean, measure, select
from tasks.downstream.classification import LabelledSplit, per_class
from tasks.downstream.intervals import Bootstrap
from tasks.evaluation.judging import Judged, Prediction, judge, write_predictions
from tasks.evaluation.ladder import rungs
from tasks.runtime.artifact import (
    EXECUTION,
    Artifact,
    Checkpoint,
    CompressedModel,
    Evaluation,
    InputFile,
    InputFiles,
    LabelledData,
    PackedCorpus,
    RawCorpus,
    TaskModel,
)
from tasks.runtime.artifact import Tokenizer as TokenizerArtifact
from tasks.runtime.runs import NodeRecord, RunRecord
from tasks.runtime.settings import Settings
from tasks.runtime.stage import Stage
from tasks.runtime.store import Execution
from tasks.runtime.workspace import Workspace
from tests.promotion.shop import make_artifact

SCRIPT = "<script>window.pwned = 1</script>"
IMAGE = "\"><img src=x onerror='window.pwned=2'>"
STYLE = "</style></title></svg><style>body{display:none}</style>"
BIDI = "\u202edrawkcab\u202c \u2067isolated \u200f\u061c"
CONTROL = "bell\x07 escape\x1b[31m next\x85 line\u2028separator\ufeff"
TEMPLATE = "{{ 7919*7907 }} {% raw %} ${7919*7907} &lt;b&gt; <!-- --> ]]>"
ARABIC = "السياسة العامة للأمن"
NASTY = " ".join((SCRIPT, IMAGE, STYLE, BIDI, CONTROL, TEMPLATE, ARABIC))
LONG = "W" * 1_000_000

WORDS = ("bucket", "policy", "access", "region", "account", "service", "encryption", "network", "logging", "user")
LABELS = (f"storage {SCRIPT}", f"network {IMAGE}", f"logging {BIDI}")
DOCUMENTS = 60
RUN = "20260102T030405Z"


def sentence(seed: int, count: int = 40) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, count)).capitalize() + "."


def changed(text: str, at: int, word: str) -> str:
    words = text.split()
    return " ".join([*words[:at], word, *words[at + 1 :]])


LEAK, NEAR = sentence(100, 60), sentence(200, 120)
TEXTS = [
    *(f"{sentence(seed)} {NASTY}" for seed in range(6)),
    f"{sentence(0)} {NASTY}",
    f"{sentence(101, 30)} {LEAK} {NASTY}",
    f"{NEAR} {NASTY}",
    changed(f"{NEAR} {NASTY}", 40, "<b>other</b>"),
    f"{sentence(7)} {'# ' * 30}{SCRIPT}",
    *[f"short {SCRIPT}"] * 2,
    LONG,
    f"{sentence(300)} {LONG[:200_000]}",
    f"<p>{sentence(301)}</p> lorem ipsum {SCRIPT}",
    "Toutes les exigences légales et réglementaires doivent être définies, documentées et tenues à jour.",
]
SELECT = {
    "rules": [
        {"kind": "language", "min_words": 5},
        {"kind": "word_count", "minimum": 3},
        {"kind": "longest_word", "maximum": 1000},
        {"kind": "symbols", "maximum_hashes": 0.2},
        {"kind": "lorem_ipsum"},
        {"kind": "perplexity", "low_quantile": 0.1, "high_quantile": 0.9, "min_documents": 1},
    ],
}


def build(root: Path, lid_model: InputFiles) -> tuple[Workspace, RunRecord]:
    workspace = Workspace(root)
    made: dict[str, Artifact] = {}
    made["ingest.corpus"] = _raw(root)
    made["ingest.labels"] = labels = _labels(root)
    made["clean"] = cleaned = _run(
        root,
        clean,
        CleanConfig.model_validate({"edits": [{"kind": "html"}, {"kind": "whitespace"}]}),
        made["ingest.corpus"],
    )
    made["measure"] = measures = _run(root, measure, MeasureConfig(), cleaned, lid_model)
    corpus = _run(root, select, SelectConfig.model_validate(SELECT), cleaned, measures, labels)
    made["select"] = corpus
    made["tokenizer"] = tokenizer = make_artifact(
        TokenizerArtifact, "tokenizer", root, _tokenizer, inputs={"corpus": corpus}, metrics=_tokenizer_report()
    )
    packed = make_artifact(
        PackedCorpus, "pack", root, lambda _: None, inputs={"tokenizer": tokenizer, "corpus": corpus}
    )
    made["pack"] = packed
    trained = {"heldout_loss": {"before": 2.5, "after": 0.5}, "steps": 40}
    made["pretrain"] = adapted = make_artifact(
        Checkpoint, "pretrain", root, lambda _: None, inputs={"packed": packed}, metrics=trained
    )
    tuned = {"steps": 30, "best_epoch": 2, "validation_macro_f1_by_epoch": [0.5, 0.7, 0.6]}
    made["finetune.base"] = base = make_artifact(
        TaskModel, "finetune.base", root, _model, inputs={"labels": labels}, metrics=tuned
    )
    made["distill"] = student = make_artifact(
        TaskModel, "distill", root, _model, inputs={"teacher": base, "student": adapted}, metrics=tuned
    )
    made["compress"] = int8 = make_artifact(
        CompressedModel, "compress", root, lambda _: None, inputs={"student": student}, metrics={"size_bytes": 1000}
    )
    made["evaluate"] = _evaluation(root, {"labels": labels, "models.base": base, "compressed.int8": int8})
    for node, artifact in made.items():
        _execution(node, artifact.path)
    record = _record(made)
    (root / "ledger.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in LEDGER))
    record.save(workspace)
    return workspace, record


LEDGER = [
    {"id": "1", "when": "2026-01-02T03:05:00+00:00", "who": SCRIPT, "model": f"shop {SCRIPT}", "action": "promote"}
    | {"from": {"champion": None}, "to": {"champion": 3}, "verdict": "passed", "reason": NASTY},
]


def _record(made: dict[str, Artifact]) -> RunRecord:
    nodes = {
        node: NodeRecord(
            fingerprint=artifact.fingerprint, digest=artifact.digest, action="ran", reason=NASTY, seconds=1.5, run=RUN
        )
        for node, artifact in made.items()
    }
    gate = {"name": "above TF-IDF", "needs": "interval > 0", "has": "+0.300 [+0.200, +0.400]", "passed": True}
    gate |= {"note": "", "measured": {"value": 0.3, "low": 0.2, "high": 0.4}, "least": 0.0}
    refused = {"name": "keeps its parent", "needs": "≥ −0.02", "has": "−0.500 [−0.600, −0.400]", "passed": False}
    refused |= {"note": f"loses {SCRIPT}", "measured": {"value": -0.5, "low": -0.6, "high": -0.4}, "least": -0.02}
    promotion = {"model": f"shop {SCRIPT}", "version": 3, "variant": "int8", "promoted": False, "passed": False}
    promotion |= {"champion": 3 - 1, "former": 2, "overridden": "", "withdrawn": False, "gates": [gate, refused]}
    config = {
        "model": {"name": f"shop {SCRIPT}"},
        "select": SELECT | {"priority": [IMAGE, LONG]},
        "ingest": {"corpus": {"sources": [{"name": f"docs {IMAGE}", "licence": NASTY}]}},
        "promotion": {"data_licence": NASTY},
    }
    return RunRecord(
        id=RUN,
        config_file="textmill.yaml",
        overrides=(f"model.name={SCRIPT}",),
        started="2026-01-02T03:04:05+00:00",
        status="completed",
        nodes=nodes,
        config=config,
        written={"model.name": "command line", "select.priority": f"{IMAGE}, line 3"},
        promotion=promotion,
        judged=2,
    )


def _raw(root: Path) -> RawCorpus:
    source = f"docs {IMAGE}"
    rows = [
        {"id": document_id(source, str(at).encode()), "source": source, "text": text, "metadata": "{}"}
        for at, text in enumerate(TEXTS)
    ]
    size = sum(len(text.encode()) for text in TEXTS)
    account = {"documents_in": len(TEXTS) + 1, "documents_kept": len(TEXTS), "documents_quarantined": 1}
    account |= {"bytes_in": size + 20, "bytes_kept": size, "bytes_quarantined": 20, "bytes_cut": 0}
    account |= {"documents_dropped": 0, "bytes_dropped": 0, "bytes_inserted": 0}
    name = f"data/{SCRIPT}{BIDI}.txt"
    files = InputFiles(
        node="files:ingest.corpus",
        fingerprint="f",
        digest="f" * 64,
        files=tuple(InputFile(name=f"{at} {name}", path=root, sha256="0" * 64, size=1) for at in range(3000)),
    )
    return make_artifact(
        RawCorpus,
        "ingest.corpus",
        root,
        lambda folder: write_documents(folder / "documents", document_table(rows)) and None,
        inputs={"files": files},
        metrics={"account": account, "quarantined": {f"no text in {SCRIPT}": 1}},
    )


def _labels(root: Path) -> LabelledData:
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "external_id": datasets.Value("string"),
            "text": datasets.Value("string"),
            "label": datasets.ClassLabel(num_classes=len(LABELS)),
            "group": datasets.Value("int64"),
        }
    )

    def fill(folder: Path) -> None:
        def split(texts: list[str], first: int) -> datasets.Dataset:
            rows = {
                "id": [f"{first + at:032x}" for at in range(len(texts))],
                "external_id": [None] * len(texts),
                "text": texts,
                "label": [at % 3 for at in range(len(texts))],
                "group": list(range(first, first + len(texts))),
            }
            return datasets.Dataset.from_dict(rows, features=features)

        texts = [f"{sentence(1000 + at)} {NASTY}" for at in range(DOCUMENTS)]
        texts[0], texts[1] = LEAK, LONG[:100_000]
        train = [sentence(2000 + at) for at in range(6)]
        parts = {"train": split(train, 500), "validation": split(train, 600), "test": split(texts, 0)}
        datasets.DatasetDict(parts).save_to_disk(str(folder / "data"))
        (folder / "labels.json").write_text(json.dumps(LABELS))

    return make_artifact(LabelledData, "ingest.labels", root, fill)


def _run(root: Path, stage: Stage[Any, Any], *arguments: Any) -> Any:
    """A real stage, its artifact in its place."""
    bound = stage.bind(*arguments)
    out = Workspace(root).artifact(stage.name, stage.fingerprint(bound))
    work = root / "work"
    out.mkdir(parents=True)
    work.mkdir(exist_ok=True)
    return stage.execute(stage.job(stage.name, bound, out, work), lambda _: None, Settings(workers=1))


def _tokenizer(folder: Path) -> None:
    (folder / "tokenizer").mkdir()
    _write_tokenizer(folder / "tokenizer", [*WORDS, "kubernetes"])
    (folder / "new_tokens.json").write_text(json.dumps([{"token": "kubernetes", "pieces": ["kube", f"##{SCRIPT}"]}]))


def _model(folder: Path) -> None:
    (folder / "model").mkdir()
    _write_tokenizer(folder / "model", list(WORDS[:5]))


def _write_tokenizer(folder: Path, words: list[str]) -> None:
    vocabulary = {
        word: at
        for at, word in enumerate(["[UNK]", *words, *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")])
    }
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_padding(length=40)
    tokenizer.save(str(folder / "tokenizer.json"))


def _tokenizer_report() -> dict[str, Any]:
    text = {"documents": 9, "words": 100, "fertility": {"before": 1.5, "after": 1.2}}
    text |= {"tokens_saved_percent": 20.0, "unknown_tokens": {"before": 1, "after": 0}}
    terms = {"terms": 9, "whole": {"before": 0.5, "after": 0.8}, "examples": [*WORDS, SCRIPT, LONG[:5000]]}
    changed = {"words": 1, "occurrences": 9, "occurrences_now_longer": 2, "examples": [SCRIPT]}
    sizes = {"before": 30, "after": 31}
    return {"kind": "extend", "vocabulary": sizes, "added": 1, "domain": text, "general": text} | {
        "domain_terms": terms,
        "resegmented": changed,
    }


def _evaluation(root: Path, inputs: dict[str, Artifact]) -> Evaluation:
    from pipeline_config.evaluation import EvaluateConfig

    config = EvaluateConfig(resamples=100)
    truth = np.arange(DOCUMENTS) % 3
    split = LabelledSplit([f"{at:032x}" for at in range(DOCUMENTS)], [""] * DOCUMENTS, truth, np.arange(DOCUMENTS))

    def answered(right: int) -> Prediction:
        said = np.where(np.arange(DOCUMENTS) < DOCUMENTS - right, (truth + 1) % 3, truth)
        shares = np.full((DOCUMENTS, 3), 0.01)
        shares[np.arange(DOCUMENTS), said] = 0.98
        return Prediction(said, shares, size_bytes=1000 * right)

    given = {"majority": 20, "tfidf": 40, "base": 55, "student": 52, "int8": 51}
    judged = [Judged(rung, (answered(given[rung.name]),)) for rung in rungs(("int8",)) if rung.name in given]
    bootstrap = Bootstrap.of(
        labels=truth, groups=split.groups, classes=3, resamples=100, confidence=0.95, seed=config.seed
    )
    forgetting = {"unit": "nats per masked token", "frequencies": 7.0}
    forgetting |= {name: {"value": 1.0, "low": 0.9, "high": 1.1} for name in ("before", "after", "difference")}
    metrics = {
        **judge(judged, bootstrap, config),
        "metric": config.metric,
        "confidence": 0.95,
        "forgetting": forgetting,
        "seed_noise": False,
        "test_digest": "t",
        "test_documents": DOCUMENTS,
        "test_groups": DOCUMENTS,
    }

    def fill(folder: Path) -> None:
        write_predictions(folder / "predictions", split, judged)
        classes = {one.rung.name: per_class(truth, one.seeds[0].predicted, LABELS) for one in judged}
        (folder / "per_class.json").write_text(json.dumps(classes))

    return make_artifact(
        Evaluation, "evaluate", root, fill, inputs=inputs, metrics=metrics, config=config.model_dump(mode="json")
    )


def _execution(node: str, folder: Path) -> None:
    curve = [(step, 2.0 / step + 0.01 * (step % 3)) for step in range(1, 41)]
    measured = {f"{name}.{rung}": value for rung, value in (("base", 30.0), ("int8", 4.0)) for name in ("latency_ms",)}
    execution = Execution(
        run=RUN,
        seconds=1.5,
        cpu_seconds=2.5,
        memory_bytes=10**8,
        disk_bytes=10**6,
        host=f"host {SCRIPT}",
        versions={"python": "3.11", "torch": f"2 {IMAGE}"},
        measured=measured if node == "evaluate" else {},
        curves={f"{node}.loss": curve} if node in ("pretrain", "finetune.base", "distill") else {},
    )
    (folder / EXECUTION).write_text(execution.model_dump_json())
