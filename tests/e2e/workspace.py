"""A tiny workspace (data, base model, config) and the command line upon it, as a person uses both.

The classes are told apart by the stems of words whose endings differ from text to text. A baseline that knows whole
words learns nothing from them; a tokenizer that cuts words into pieces makes the task easy for the smallest encoder.
"""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
STEMS = {
    "exposure": ("public", "open", "reach", "expose"),
    "encryption": ("cipher", "secret", "rotate", "crypt"),
    "logging": ("audit", "record", "trace", "monitor"),
}
FILLER = ("the", "bucket", "of", "account", "policy", "service", "in", "region", "role", "user", "must", "every")
LETTERS = "bdfgklmprs"
NODES = [
    "ingest.corpus",
    "ingest.general",
    "ingest.labels",
    "clean",
    "measure",
    "select",
    "tokenizer",
    "pack",
    "pretrain",
    "finetune.frozen",
    "finetune.base",
    "finetune.compact",
    "finetune.adapted",
    "distill",
    "compress",
    "evaluate",
]

CONFIG = """\
model: {name: tiny, model_name_or_path: base}
ingest:
  corpus:
    sources:
      - {name: events, path: data/events.jsonl, id: id}
      - {name: tickets, path: data/tickets.csv, text: [title, body]}
      - {name: pages, path: data/pages}
      - {name: manual, path: data/manual.txt, format: {kind: text, unit: paragraph}}
  general:
    sources:
      - {name: general, path: data/general.txt, format: {kind: text, unit: line}}
  labels:
    sources:
      - {name: labels, path: data/labels.csv, id: id, group: family}
    split: {kind: made, validation: 0.2, test: 0.35}
measure:
  perplexity: {sample_bytes: 20000}
select:
  rules:
    - {kind: word_count, minimum: 4}
    - {kind: lorem_ipsum}
    - {kind: perplexity, report_only: true}
tokenizer: {report_documents: 100, report_terms: 10}
pack: {max_seq_length: 64, heldout_fraction: 0.1}
pretrain:
  objective: {kind: embedding_distillation, layers: [0, 3]}
  budget: {kind: steps, steps: 240}
  train_batch_size: 8
  learning_rate: 5.0e-4
  warmup_steps: 10
  ema_decay: 0.9
  heldout_tokens: 500
finetune:
  max_seq_length: 48
  num_train_epochs: 5
  train_batch_size: 2
  learning_rate: 1.0e-3
  head_learning_rate: 1.0e-2
  compact: {layers: [0, 3]}
distill:
  max_transfer_documents: 60
  learning_rate: 1.0e-3
  head_learning_rate: 1.0e-2
  num_train_epochs: 5
  train_batch_size: 4
evaluate:
  resamples: 200
  tfidf: {word_ngrams: 1, character_ngrams: null, costs: [1.0]}
  forgetting: {documents: 60, held_out_documents: 20, max_length: 32, steps: 20}
  efficiency: {sequence_length: 32, repetitions: 3}
promotion: {min_agreement: 0.9, parent_margin: 0.1, champion_margin: 0.1}
"""


# --- data ---


def word(stem: str, chance: random.Random) -> str:
    return stem + "".join(chance.choices(LETTERS, k=4))


def text_of(label: str, chance: random.Random) -> str:
    """Words of one class, each with an ending of its own, among words that say nothing."""
    words = [word(stem, chance) for stem in chance.choices(STEMS[label], k=5)] + chance.choices(FILLER, k=7)
    chance.shuffle(words)
    return " ".join(words).capitalize() + "."


def write_data(folder: Path) -> None:
    chance = random.Random(1)
    folder.mkdir(parents=True)
    (folder / "pages").mkdir()

    def texts(count: int) -> list[str]:
        return [text_of(chance.choice(list(STEMS)), chance) for _ in range(count)]

    events = [{"id": f"e{index}", "text": text} for index, text in enumerate(texts(150))]
    events.append({"id": "short", "text": "two words"})
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    with (folder / "tickets.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["title", "body"])
        rows.writerows((text.split()[0], text) for text in texts(60))
    for index, text in enumerate(texts(20)):
        (folder / "pages" / f"page{index:02d}.md").write_text(f"# {text.split()[0]}\n\n{text}\n")
    (folder / "manual.txt").write_text("\n\n".join([*texts(60), events[0]["text"]]))
    (folder / "general.txt").write_text(
        "".join(" ".join(chance.choices(FILLER, k=10)) + f" {index}\n" for index in range(120))
    )
    write_labels(folder / "labels.csv", 44)


def write_labels(file: Path, count: int, seed: int = 2) -> None:
    """`count` rows of each class."""
    chance = random.Random(seed)
    with file.open("w", newline="") as target:
        rows = csv.writer(target)
        rows.writerow(["id", "family", "text", "label"])
        for index in range(3 * count):
            label = list(STEMS)[index % 3]
            rows.writerow([f"l{index}", f"f{index // 2}", text_of(label, chance), label])


def write_base(folder: Path) -> None:
    """A random BERT of 4 layers of 32; its vocabulary holds the stems, and endings letter by letter."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,#"
    words = [*special.values(), *letters, *(f"##{letter}" for letter in letters), *FILLER, *sum(STEMS.values(), ())]
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys(words))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **special).save_pretrained(folder)


# --- the command line ---


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def said(self) -> str:
        return self.out + self.err


@dataclass(frozen=True)
class Textmill:
    """The command line in one workspace: `textmill("run", "--json")`."""

    root: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, code: int | None = 0, cwd: Path | None = None, **variables: str) -> Done:
        """Run a command to its end. Whatever comes of it, a person sees no trace; `code`: the exit code expected."""
        process = self.start(*arguments, cwd=cwd, **variables)
        try:
            out, err = process.communicate(timeout=900)
        finally:
            kill_group(process)
        done = Done(process.returncode, out, err)
        assert "Traceback" not in done.said, done.said
        assert code is None or done.code == code, f"exit code {done.code}\n{done.said}"
        return done

    def start(self, *arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "flows", *arguments],
            cwd=cwd or self.root,
            env={**bare_environment(), **self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # What a shell starts in the background ignores SIGINT, and so does all that it starts, these tests as well.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def with_environment(self, **variables: str) -> Textmill:
        return replace(self, environment={**self.environment, **variables})

    def plan(self, *arguments: str) -> dict[str, tuple[str, str]]:
        """Action and reason of each node."""
        nodes = self("plan", "--json", *arguments).json["nodes"]
        return {node["name"]: (node["action"], node["reason"]) for node in nodes}

    def run(self, *arguments: str, code: int | None = 0) -> dict[str, Any]:
        return self("run", "--json", *arguments, code=code).json

    def digest(self, node: str) -> str:
        """Of the only artifact of a node."""
        (folder,) = self.artifacts(node)
        return json.loads((folder / "manifest.json").read_text())["digest"]

    def artifacts(self, node: str) -> list[Path]:
        return sorted(path for path in (self.root / "artifacts" / node).glob("*") if not path.name.startswith("."))


def ran(report: dict[str, Any]) -> list[str]:
    return [node["name"] for node in report["nodes"] if node["action"] == "ran"]


def planned(plan: dict[str, tuple[str, str]]) -> list[str]:
    return [node for node, (action, _) in plan.items() if action == "run"]


def bare_environment() -> dict[str, str]:
    """This process's, without what it says of servers and machine settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT_", "MLFLOW_", "TEXTMILL_", "PYTEST_", "COV_"))
    }
    return kept | {"PYTHONPATH": str(ROOT)}


def kill_group(process: subprocess.Popen[str]) -> None:
    """As `kill -9` of the whole process group does."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(20)


@contextmanager
def started(textmill: Textmill, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = textmill.start(*arguments)
    try:
        yield process
    finally:
        kill_group(process)


def wait_for(condition: Callable[[], T], seconds: float = 60, process: subprocess.Popen[str] | None = None) -> T:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited too long"
        if process is not None and process.poll() is not None:
            raise AssertionError(f"it ended too early: {process.communicate()}")
        time.sleep(0.005)
    return found


def clone(textmill: Textmill, root: Path) -> Textmill:
    """A copy of a workspace with its artifacts and its registry; its server is not copied."""
    shutil.copytree(
        textmill.root, root, ignore=shutil.ignore_patterns(".prefect", "server.json", ".digests.json", "logs")
    )
    return replace(textmill, root=root)
