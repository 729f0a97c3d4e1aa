"""The evaluation from end to end: predict, judge, forget, time."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from pipeline_config.evaluation import EvaluateConfig, ForgettingConfig
from tasks.corpus.document import iter_documents
from tasks.downstream.classification import LabelledSplit, label_names, load_split, per_class
from tasks.downstream.intervals import Bootstrap
from tasks.evaluation.baselines import majority, tfidf
from tasks.evaluation.efficiency import Forward, onnx_forward, time_models, torch_forward
from tasks.evaluation.forgetting import measure_forgetting
from tasks.evaluation.judging import Judged, Prediction, judge, test_digest, write_predictions
from tasks.evaluation.ladder import rungs
from tasks.evaluation.predicting import probabilities
from tasks.modelling.classifier import TextClassifier, load_classifier, read_record
from tasks.modelling.encoder import encoder_folder, load_encoder, load_reader, load_tokenizer
from tasks.modelling.inference import encode
from tasks.modelling.linear_probe import PROBE, load_probe
from tasks.modelling.onnx_session import MODEL, OnnxClassifier
from tasks.runtime.artifact import (
    Checkpoint,
    CompressedModel,
    InputFiles,
    LabelledData,
    RawCorpus,
    TaskModel,
)
from tasks.runtime.stage import Context

FROZEN = {"compact-frozen": "compact", "adapted-frozen": "adapted"}
"""Rungs whose model is the probe that a fine-tuning started from."""
MODELS = {"base-frozen": "frozen", "base": "base", "compact": "compact", "adapted": "adapted", "student": "student"}


def run_evaluation(
    ctx: Context,
    config: EvaluateConfig,
    data: LabelledData,
    models: dict[str, TaskModel],
    compressed: dict[str, CompressedModel],
    base: InputFiles,
    adapted: Checkpoint | None,
    general: RawCorpus | None,
) -> dict[str, Any]:
    """Write the files of the evaluation under `ctx.out`; return its metrics."""
    names = label_names(data)
    test = load_split(data, "test")
    steps = rungs(tuple(sorted(compressed)))
    judged: list[Judged] = []
    tfidf_chosen: dict[str, Any] = {}
    for done, rung in enumerate(steps):
        ctx.progress(done, len(steps) + 2, "steps", rung.title)
        match rung.name:
            case "majority":
                predicted, shares = majority(load_split(data, "train"), len(test), len(names))
                found = [Prediction(predicted, shares)]
            case "tfidf":
                started = time.process_time()
                fit = tfidf(
                    load_split(data, "train"),
                    load_split(data, "validation"),
                    test.texts,
                    config=config.tfidf,
                    metric=config.metric,
                    classes=len(names),
                    seed=config.seed,
                )
                ctx.measured("cpu_seconds.tfidf", time.process_time() - started)
                tfidf_chosen = fit.chosen
                found = [Prediction(fit.predicted)]
            case name if name in compressed:
                found = [_compressed(compressed[name], test, ctx.settings.cores)]
            case name if name in FROZEN:
                found = _probes(FROZEN[name], models, base, adapted, test, ctx.settings.cores)
            case name:
                found = _fine_tuned(MODELS[name], models, test, ctx.settings.cores)
        if found:
            judged.append(Judged(rung, tuple(found)))
    bootstrap = Bootstrap.of(
        labels=test.labels,
        groups=test.groups,
        classes=len(names),
        resamples=config.resamples,
        confidence=config.confidence,
        seed=config.seed,
    )
    ctx.progress(len(steps), len(steps) + 2, "steps", "forgetting")
    metrics = {
        "metric": config.metric,
        "confidence": config.confidence,
        **judge(judged, bootstrap, config),
        "forgetting": _forgetting(config, base, adapted, general, ctx.settings.cores),
        "seed_noise": any(len(one.seeds) > 1 for one in judged),
        "test_digest": test_digest(test, names),
        "test_documents": len(test),
        "test_groups": bootstrap.weights.shape[1],
        "tfidf": tfidf_chosen,
    }
    write_predictions(ctx.out / "predictions", test, judged)
    classes = {one.rung.name: per_class(test.labels, one.seeds[0].predicted, names) for one in judged}
    _write_json(ctx.out / "per_class.json", classes)
    _write_json(ctx.out / "ladder.json", metrics)
    ctx.progress(len(steps) + 1, len(steps) + 2, "steps", "latency")
    _time(ctx, config, models, compressed)
    ctx.progress(len(steps) + 2, len(steps) + 2, "steps")
    return metrics


def weight_bytes(model: TaskModel) -> int:
    """Size of the weights that serve: the probe that a fine-tuning started from is not among them."""
    return sum(path.stat().st_size for path in model.path.rglob("*.safetensors") if path.name != PROBE)


def _seeds(name: str, models: dict[str, TaskModel]) -> list[tuple[str, TaskModel]]:
    """The models of a name with the suffix of their seed, the first seed first."""
    found = [(key.partition(".")[2], model) for key, model in models.items() if key.partition(".")[0] == name]
    return sorted(found, key=lambda pair: pair[0])


def _fine_tuned(name: str, models: dict[str, TaskModel], test: LabelledSplit, cores: int) -> list[Prediction]:
    found = []
    for seed, artifact in _seeds(name, models):
        model = load_classifier(artifact.path)
        rows = encode(model.tokenizer, test.texts, model.max_seq_length)
        found.append(_predict(model.model, model.tokenizer, rows, seed, artifact, cores))
    return found


def _probes(
    name: str,
    models: dict[str, TaskModel],
    base: InputFiles,
    adapted: Checkpoint | None,
    test: LabelledSplit,
    cores: int,
) -> list[Prediction]:
    """The probe that a fine-tuning started from, on the encoder as it was then. It has no seed, so the first counts."""
    start = adapted if name == "adapted" else base
    candidates = [model for _, model in _seeds(name, models) if (model.path / PROBE).is_file()]
    if not candidates or start is None:
        return []
    artifact = candidates[0]
    layers = artifact.config["layers"]
    encoder, fast = load_reader(start, layers=None if layers is None else tuple(layers))
    record = read_record(artifact.path)
    fast.truncation_side = record["truncation_side"]
    rows = encode(fast, test.texts, record["max_seq_length"])
    return [_predict(load_probe(artifact.path, encoder), fast, rows, "", artifact, cores)]


def _predict(
    model: TextClassifier,
    tokenizer: PreTrainedTokenizerBase,
    rows: list[list[int]],
    seed: str,
    artifact: TaskModel,
    cores: int,
) -> Prediction:
    found = probabilities(model, rows, pad_token_id=tokenizer.pad_token_id, cores=cores)
    return Prediction(found.argmax(axis=1), found, seed, weight_bytes(artifact))


def _compressed(artifact: CompressedModel, test: LabelledSplit, cores: int) -> Prediction:
    found = OnnxClassifier(artifact.path, threads=cores).predict(test.texts)
    return Prediction(found.argmax(axis=1), found, size_bytes=(artifact.path / MODEL).stat().st_size)


def _forgetting(
    config: EvaluateConfig, base: InputFiles, adapted: Checkpoint | None, general: RawCorpus | None, cores: int
) -> dict[str, Any] | None:
    """None where it is not asked for, `{"skipped": why}` where it cannot be measured."""
    if config.forgetting is None:
        return None
    if adapted is None:
        return {"skipped": "no encoder was adapted"}
    if general is None:
        return {"skipped": "there is no general text (ingest.general)"}
    objective = adapted.config["objective"]
    if objective.get("init", {}).get("kind") == "scratch":
        return {"skipped": "the encoder was trained from scratch"}
    tokenizer = load_tokenizer(encoder_folder(base))
    known = load_tokenizer(encoder_folder(adapted)).get_vocab()
    if any(known.get(token) != index for token, index in tokenizer.get_vocab().items()):
        return {"skipped": "the tokenizer was replaced, so the losses are not in the same unit"}
    if tokenizer.mask_token_id is None:
        return {"skipped": "the tokenizer has no mask token"}
    documents = _general_documents(general, tokenizer, config.forgetting)
    if len(documents) < 2:
        return {"skipped": f"general text holds {len(documents)} documents, two are needed"}
    layers = objective.get("layers")
    return measure_forgetting(
        load_encoder(encoder_folder(base), layers=None if layers is None else tuple(layers)),
        load_encoder(encoder_folder(adapted)),
        documents,
        config=config.forgetting,
        special_ids=frozenset(tokenizer.all_special_ids),
        mask_token_id=tokenizer.mask_token_id,
        pad_token_id=tokenizer.pad_token_id,
        resamples=config.resamples,
        confidence=config.confidence,
        seed=config.seed,
        cores=cores,
    )


def _general_documents(
    general: RawCorpus, tokenizer: PreTrainedTokenizerBase, config: ForgettingConfig
) -> list[list[int]]:
    """As many encoded documents as are used, by id (which says nothing of the text); those without a token left out."""
    wanted = config.held_out_documents + config.documents
    special = set(tokenizer.all_special_ids)
    documents: list[list[int]] = []
    for batch in iter_documents(general.path / "documents", columns=["text"]):
        rows = encode(tokenizer, batch.column("text").to_pylist(), config.max_length)
        documents += [row for row in rows if set(row) - special]
        if len(documents) >= wanted:
            break
    return documents[:wanted]


def _time(
    ctx: Context, config: EvaluateConfig, models: dict[str, TaskModel], compressed: dict[str, CompressedModel]
) -> None:
    """Report clock figures of the first reference (the base), the student and what was made from it."""
    forwards: dict[str, Forward] = {}
    length, vocabulary = config.efficiency.sequence_length, 1 << 62
    for rung, name in (("base", "base"), ("base-frozen", "frozen"), ("student", "student")):
        if name not in models or (rung == "base-frozen" and "base" in forwards):
            continue
        model = load_classifier(models[name].path)
        length = min(length, model.max_seq_length)
        vocabulary = min(vocabulary, int(model.model.encoder.config.vocab_size))
        forwards[rung] = torch_forward(model.model)
    for name in sorted(compressed):
        session = OnnxClassifier(compressed[name].path, threads=1)
        length, vocabulary = min(length, session.max_seq_length), min(vocabulary, session.tokenizer.get_vocab_size())
        forwards[name] = onnx_forward(session)
    if not forwards:
        return
    figures = time_models(
        forwards,
        vocabulary=vocabulary,
        sequence_length=length,
        repetitions=config.efficiency.repetitions,
        batch_size=config.efficiency.batch_size,
    )
    for name, value in figures.items():
        ctx.measured(name, value)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
