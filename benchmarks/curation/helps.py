"""Does curation help? At equal training tokens: raw text, without copies, + without near-duplicates, + rules.

    python -m benchmarks.curation.helps --cache DIR [--preset cloud-security | --config FILE] [--tokens N] [--seeds 3]
        [key=value …]

The text and the task are those of a preset, or of a config of your own. First a *clean set* is taken out: documents
that all rules keep, none a copy or near-duplicate of another. No arm holds a document that leaks one of them (half of
its 13-grams, or Jaccard 0.8), and all arms are decontaminated against the task's validation and test texts, as ever.
Then, for each arm and seed, the base model goes on learning by masked language modelling, from as many tokens
everywhere, and is fine-tuned on the task. Two figures:

    loss        masked-LM loss on the clean set, nats per masked token; masks are equal in all arms of a seed
    macro-F1    on the task's test set

with the mean over seeds and, beside it, the paired difference to the raw text with its 95 % interval (Student's t).
A mixture and limits by source are switched off: they would curate the raw text, too.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy import stats

from benchmarks.curation.measured import where
from benchmarks.curation.product import Stages
from pipeline_config.load import load
from pipeline_config.pipeline import PipelineConfig
from pipeline_config.pretraining import MaskedLanguageModelling, PretrainConfig, Tokens
from pipeline_config.selection import SelectConfig
from tasks.corpus.document import SCHEMA, read_documents, write_documents
from tasks.curation.stage import measure, select
from tasks.dedup.containment import NONE, find_leaks, index_held_out
from tasks.downstream.classification import load_split, macro_f1
from tasks.evaluation.predicting import probabilities
from tasks.finetuning.stage import finetune
from tasks.modelling.classifier import load_classifier
from tasks.modelling.inference import encode
from tasks.packing.stage import pack
from tasks.pretraining.stage import pretrain
from tasks.runtime.artifact import MANIFEST, CleanCorpus, Corpus
from tasks.training.packed import load_packed

CLEAN = "clean set"
ROWS = 8  # of an optimiser step


def arms(config: SelectConfig) -> dict[str, SelectConfig]:
    nothing = config.model_copy(update={"rules": (), "exact_duplicates": False, "near_duplicates": None})
    exact = nothing.model_copy(update={"exact_duplicates": True})
    near = exact.model_copy(update={"near_duplicates": config.near_duplicates})
    return {"raw": nothing, "exact": exact, "+ near": near, "+ rules": config}


def take_clean_set(kept: Corpus, count: int, words: int) -> pa.Table:
    """The documents with the smallest hash of their id, of those that have so many words."""
    table = read_documents(kept.path / "documents")
    rows = [row for row, text in enumerate(table["text"].to_pylist()) if len(text.split()) >= words]
    if not rows:
        raise SystemExit(f"no document that the rules keep has {words} words: give a smaller --clean-words")
    ids = table["id"].to_pylist()
    rows.sort(key=lambda row: hashlib.blake2b(ids[row], key=b"clean set").digest())
    chosen = table.take(pa.array(sorted(rows[:count])))
    return chosen.set_column(table.schema.get_field_index("source"), "source", pa.array([CLEAN] * chosen.num_rows))


def without_leaks(cleaned: CleanCorpus, clean_set: pa.Table, folder: Path) -> CleanCorpus:
    """The documents that leak nothing of the clean set."""
    texts = clean_set["text"].to_pylist()
    index = index_held_out(
        texts, list(range(len(texts))), size=13, minimum_words=5, boilerplate_groups=10, shingle_size=5
    )
    table = read_documents(cleaned.path / "documents")
    leaks = find_leaks(index, table["text"].to_pylist(), share=0.5, jaccard=0.8)
    left = table.filter(pa.array(leaks.text == NONE))
    print(f"{clean_set.num_rows} texts in the clean set; {table.num_rows - left.num_rows} documents leak one of them")
    write_documents(folder / "documents", left)
    shutil.copyfile(cleaned.path / MANIFEST, folder / MANIFEST)  # the same settings
    return CleanCorpus(node="clean", fingerprint="", path=folder)


def with_clean_set(arm: Corpus, clean_set: pa.Table, whole: Corpus, folder: Path) -> Corpus:
    """The documents of an arm and the clean set, which was taken out of `whole`, with what is known of both."""
    documents = pa.concat_tables([read_documents(arm.path / "documents"), clean_set.cast(SCHEMA)])
    write_documents(folder / "documents", documents)
    known = pq.read_table(whole.path / "ledger.parquet", filters=pc.field("id").isin(clean_set["id"].combine_chunks()))
    kept = pq.read_table(arm.path / "ledger.parquet", filters=pc.field("decision") == "kept")
    pq.write_table(pa.concat_tables([kept, known]).sort_by("id"), folder / "ledger.parquet")
    return Corpus(node="select", fingerprint="", path=folder)


def hold_out_clean_set(packed: Path) -> None:
    """Learn from all but the clean set, and judge on it alone."""
    found = load_packed(packed)
    code = found.facts.sources.index(CLEAN)
    rows, heldout = np.array(found.rows), np.array(found.sources) == code
    rows[:, 1] = rows[:, 0] == code
    for name, values in (("rows", rows), ("heldout", heldout)):
        (packed / f"{name}.npy").unlink()  # it is mapped into memory
        np.save(packed / f"{name}.npy", values)


def test_score(model: Any, labels: Any, cores: int) -> float:
    loaded, test = load_classifier(model.path), load_split(labels, "test")
    loaded.tokenizer.truncation_side = loaded.truncation_side
    rows = encode(loaded.tokenizer, test.texts, loaded.max_seq_length)
    found = probabilities(loaded.model, rows, pad_token_id=int(loaded.tokenizer.pad_token_id), cores=cores)
    return macro_f1(test.labels, found.argmax(1))


def interval(values: Sequence[float]) -> str:
    """Mean and 95 % interval of the mean (Student's t); no interval of one value."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return f"{mean:+.4f}"
    reach = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)
    return f"{mean:+.4f} [{mean - reach:+.4f}, {mean + reach:+.4f}]"


def prepare(stages: Stages, config: PipelineConfig, count: int, words: int) -> dict[str, Any]:
    """Packed corpora by arm, and how many documents and bytes each has."""
    stages.road(config, until="select")
    clean_set = take_clean_set(stages.made["select"], count, words)
    cleaned = without_leaks(stages.made["clean"], clean_set, stages.folder / "without-leaks")
    measured = stages.run(measure, "arms", config.measure, cleaned, stages.inputs.language_model)
    found = {}
    for number, (name, choice) in enumerate(arms(config.select).items()):
        arm = stages.run(select, f"arm{number}", choice, cleaned, measured, stages.made["ingest.labels"])
        account = arm.metrics["account"]
        corpus = with_clean_set(arm, clean_set, stages.made["select"], stages.folder / f"corpus{number}")
        if "tokenizer" not in stages.made:
            stages.road(config, until="tokenizer")
        sizes = config.pack.model_copy(update={"max_documents": {}})
        packed = stages.run(pack, f"arm{number}", sizes, corpus, stages.made["tokenizer"])
        hold_out_clean_set(packed.path)
        found[name] = (packed, account["documents_kept"], account["bytes_kept"] / 1e6)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings over the preset's")
    parser.add_argument("--cache", type=Path, required=True, help="folder for results")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--preset", default="cloud-security")
    chosen.add_argument("--config", type=Path, help="a textmill.yaml, in place of a preset")
    parser.add_argument("--tokens", type=int, default=200_000, help="tokens that each model learns from")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--clean", type=int, default=400, help="texts of the clean set")
    parser.add_argument("--clean-words", type=int, default=30, help="words that each of them has at least")
    parser.add_argument("--head-steps", type=int, default=150, help="steps that fit the new vocabulary head first")
    options = parser.parse_args()
    folder = options.cache.resolve() / "runs" / "helps"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = options.config or folder / "textmill.yaml"
    if not options.config:
        path.write_text(f"preset: {options.preset}\n", encoding="utf-8")
    config, stages = load(path, options.overrides), Stages(folder, path.resolve().parent)
    corpora = prepare(stages, config, options.clean, options.clean_words)
    losses: dict[str, list[float]] = {name: [] for name in corpora}
    scores: dict[str, list[float]] = {name: [] for name in corpora}
    for seed in range(options.seeds):
        for number, (name, (packed, _, _)) in enumerate(corpora.items()):
            learning = PretrainConfig(
                objective=MaskedLanguageModelling(kind="mlm", head_warmup_steps=options.head_steps),
                budget=Tokens(kind="tokens", tokens=options.tokens),
                train_batch_size=ROWS,
                warmup_steps=options.tokens // (20 * ROWS * config.pack.max_seq_length),  # a twentieth of the steps
                heldout_tokens=10**9,
                seed=seed,
            )
            part = f"arm{number}.s{seed}"
            inputs, labels = stages.inputs, stages.made["ingest.labels"]
            adapted = stages.run(pretrain, part, learning, inputs.base, stages.made["tokenizer"], packed)
            model = stages.run(finetune, part, config.finetune.node_config("adapted", seed), labels, adapted)
            losses[name].append(adapted.metrics["heldout_loss"]["after"])
            scores[name].append(test_score(model, labels, stages.settings.cores))
            print(f"seed {seed}, {name}: loss {losses[name][-1]:.4f}, macro-F1 {scores[name][-1]:.4f}", flush=True)
    print(f"\n{config.model.name}, {options.tokens} tokens, {options.seeds} seeds; {where()}\n")
    print("| text | documents | MB | loss | against raw | macro-F1 | against raw |\n|---|---|---|---|---|---|---|")
    for name, (_, documents, megabytes) in corpora.items():
        loss = interval(np.subtract(losses[name], losses["raw"]).tolist())
        score = interval(np.subtract(scores[name], scores["raw"]).tolist())
        print(
            f"| {name} | {documents} | {megabytes:.1f} | {np.mean(losses[name]):.4f} | {loss} | "
            f"{np.mean(scores[name]):.4f} | {score} |"
        )


if __name__ == "__main__":
    main()
