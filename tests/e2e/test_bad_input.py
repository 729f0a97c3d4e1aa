"""What a person gets wrong: refused (2), quarantined and counted (0), or failed and resumable (1); never a trace."""

from __future__ import annotations

import csv
import gzip
import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.e2e.workspace import CONFIG, Textmill, clone, ran

Change = Callable[[Path], object]
NOWHERE = "http://127.0.0.1:9/api"
"""No server answers there: who is refused must not have asked for one."""


def nothing(_: Path) -> None: ...


def labels(*rows: tuple[str, str, str]) -> Change:
    """Labels of these (id, label, split), each with its own text, in place of what was there."""

    def do(root: Path) -> None:
        with (root / "data/labels.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["id", "family", "text", "label", "split"])
            table.writerows((key, key, f"the text of {key}", label, split) for key, label, split in rows)

    return do


def write(name: str, content: bytes) -> Change:
    return lambda root: (root / name).write_bytes(content)


def config(old: str, new: str) -> Change:
    assert old in CONFIG
    return lambda root: (root / "textmill.yaml").write_text(CONFIG.replace(old, new))


def line_of(words: str) -> int:
    return 1 + next(index for index, line in enumerate(CONFIG.splitlines()) if words in line)


def without(pattern: str) -> Change:
    return lambda root: [path.unlink() for path in root.glob(pattern)]


GIVEN = ("ingest.labels.split={kind: given}", "ingest.labels.sources.0.split_column=split")
REFUSED: dict[str, tuple[Change, tuple[str, ...], tuple[str, ...]]] = {
    "missing file": (
        without("data/tickets.csv"),
        (),
        ("'data/tickets.csv'", "source 'tickets'", "there is no such file", "Expected a file, a folder"),
    ),
    "empty file": (
        write("data/manual.txt", b""),
        (),
        ("data/manual.txt", "source 'manual'", "is empty; expected text", "Fill it, or leave it out"),
    ),
    "empty labels": (
        write("data/labels.csv", b""),
        (),
        ("data/labels.csv", "is empty; expected"),
    ),
    "no text at all": (
        write("data/events.jsonl", b'{"id": "a", "text": " "}\n{"id": "b", "text": ""}\n'),
        (),
        ("data/events.jsonl", "no text at all in 2 records", "empty", "Expected UTF-8 text", "max_record_bytes"),
    ),
    "no text at all in labels": (
        write("data/labels.csv", b"id,family,text,label\na,a, ,logging\n"),
        (),
        ("data/labels.csv", "no text at all among 1 rows", "empty", "Expected rows with a text and a label"),
    ),
    "missing column": (
        nothing,
        ("ingest.corpus.sources.0.text=[txt]",),
        ("data/events.jsonl", "no column 'txt'", "there are: id, text", "Did you mean 'text'?"),
    ),
    "missing column of labels": (
        nothing,
        ("ingest.labels.sources.0.label=class",),
        ("data/labels.csv", "no column 'class'", "there are: id, family, text, label"),
    ),
    "unknown key on the command line": (
        nothing,
        ("finetune.learning_rat=1e-4",),
        ("'finetune.learning_rat' is no setting", "command line", "Did you mean 'finetune.learning_rate'?"),
    ),
    "unknown key in the file": (
        config("  max_seq_length: 48", "  max_seq_lenght: 48"),
        (),
        (
            "'finetune.max_seq_lenght' is no setting",
            f"textmill.yaml, line {line_of('max_seq_length: 48')}",
            "'finetune.max_seq_length'",
        ),
    ),
    "wrong type on the command line": (
        nothing,
        ("finetune.learning_rate=fast",),
        ("finetune.learning_rate = 'fast'", "command line", "expected a valid number"),
    ),
    "wrong type in the file": (
        config("num_train_epochs: 5", "num_train_epochs: [5]"),
        (),
        (
            "finetune.num_train_epochs = [5]",
            f"textmill.yaml, line {line_of('num_train_epochs')}",
            "expected a valid integer",
        ),
    ),
    "out of range": (
        nothing,
        ("pack.heldout_fraction=2",),
        ("pack.heldout_fraction = 2", "expected less than or equal to 0.5"),
    ),
    "no kind": (
        nothing,
        ("compress.backend={per_channel: false}",),
        ("compress.backend.kind is missing", "command line", "expected one of 'onnx_fp32', 'onnx_int8'"),
    ),
    "bad override": (
        nothing,
        ("finetune..learning_rate=1",),
        ("'finetune..learning_rate=1'", "command line", "expected key=value, for example"),
    ),
    "sections that contradict one another": (
        nothing,
        ("pack.max_documents={evnts: 3}",),
        ("pack.max_documents names 'evnts'", "no source of ingest.corpus: events, manual, pages, tickets"),
    ),
    "one class only": (
        labels(("a", "logging", ""), ("b", "logging", "")),
        (),
        ("only one label, 'logging', is left", "min_label_count=1", "expected two labels or more", "logging (2)"),
    ),
    "a label seen once": (
        labels(*((f"{label}{index}", label, "") for label in "xy" for index in range(9)), ("z1", "z", "")),
        (),
        ("data/labels.csv, line 20", "label 'z' stands on one row only", "ingest.labels.min_label_count: 2"),
    ),
    "labels in test alone": (
        labels(
            *((f"{label}{part}", label, part) for part in ("train", "test") for label in "xy"),
            ("z1", "z", "test"),
            ("z2", "z", "test"),
        ),
        GIVEN,
        ("data/labels.csv, line 6", "label 'z' stands only in the test split", "ingest.labels.drop: [z]"),
    ),
    "no test labels": (
        labels(("a", "x", "train"), ("b", "y", "train"), ("c", "x", "train"), ("d", "y", "train")),
        GIVEN,
        ("no example of the test split", "expected train and test", "ingest.labels.split: {kind: made}"),
    ),
    "duplicate ids of labels": (
        labels(("a", "x", ""), ("b", "y", ""), ("a", "y", ""), ("d", "x", "")),
        (),
        ("data/labels.csv, line 4", "the id 'a' stands already in line 2", "ids must differ", "leave out"),
    ),
    "duplicate ids of documents": (
        write("data/events.jsonl", b'{"id": "a", "text": "one"}\n{"id": "a", "text": "two"}\n'),
        (),
        ("data/events.jsonl, line 2", "the id 'a' stands already in line 1", "ids must differ", "leave out"),
    ),
    "a model without tokenizer": (
        without("base/tokenizer*"),
        (),
        ("base: no tokenizer", "expected tokenizer.json"),
    ),
    "a model of another digest": (
        nothing,
        (f"model.sha256={'f' * 64}",),
        ("model.model_name_or_path=base", "model.safetensors has SHA-256", f"expected {'f' * 64}", "another model"),
    ),
    "pickle weights only": (
        lambda root: (root / "base/model.safetensors").rename(root / "base/pytorch_model.bin"),
        (),
        ("base", "weights are pickled (pytorch_model.bin)", "expected model.safetensors", "safe_serialization=True"),
    ),
    "no such package": (
        nothing,
        ("model.model_name_or_path=package:no_such_package/model",),
        ("package 'no_such_package'", "is not installed", "Install it"),
    ),
    "no such stage": (
        nothing,
        ("--until", "finetun"),
        ("'finetun' is no stage or node", "Did you mean 'finetune'?"),
    ),
    "what comes before is not there": (
        nothing,
        ("--from", "clean"),
        (
            "--from clean: ingest.corpus comes before it",
            "(never run)",
            "Run it first: textmill run",
            "--until ingest.corpus\n",
        ),
    ),
    "not YAML": (
        write("textmill.yaml", b"model: [\n"),
        (),
        ("textmill.yaml, line 2", "not YAML"),
    ),
    "no config": (
        without("textmill.yaml"),
        (),
        ("textmill.yaml: there is no such file", "textmill init DIR"),
    ),
}


@pytest.mark.parametrize(("change", "arguments", "words"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_before_any_stage(
    plain: Textmill, tmp_path: Path, change: Change, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    textmill = clone(plain, tmp_path / "workspace").with_environment(PREFECT_API_URL=NOWHERE)
    change(textmill.root)
    done = textmill("run", "--json", *arguments, code=2)
    assert done.out == ""
    assert done.err.startswith("textmill: ")
    for expected in words:
        assert expected in done.err
    assert not (textmill.root / "artifacts").exists()
    assert not (textmill.root / "runs").exists()


ENVIRONMENT = {
    "DEVICE": ("tpu", ("TEXTMILL_DEVICE='tpu'", "expected auto, cpu or cuda")),
    "WORKERS": ("two", ("TEXTMILL_WORKERS='two'", "expected a whole number")),
    "MICRO_BATCH_SIZE": ("-1", ("TEXTMILL_MICRO_BATCH_SIZE='-1'", "expected a whole number")),
    "NEEDS": ("pretrain", ("TEXTMILL_NEEDS", "'pretrain'", "expected stage=share")),
}


@pytest.mark.parametrize(("name", "value", "words"), [(n, v, w) for n, (v, w) in ENVIRONMENT.items()], ids=ENVIRONMENT)
def test_machine_settings_are_refused(plain: Textmill, name: str, value: str, words: tuple[str, ...]) -> None:
    variables = {f"TEXTMILL_{name}": value, "PREFECT_API_URL": NOWHERE}
    said = plain("run", "--json", code=2, **variables).err
    for expected in words:
        assert expected in said


@pytest.mark.parametrize("command", ["validate", "plan", "run"])
def test_more_devices_than_there_are_are_refused(plain: Textmill, command: str) -> None:
    machine = {"TEXTMILL_SLOTS": "a,b", "TEXTMILL_NEEDS": "pretrain=3", "PREFECT_API_URL": NOWHERE}
    said = plain(command, code=2, **machine).err
    assert re.search(r"pretrain.*3", said)
    assert "2" in said
    plain("validate", **machine | {"TEXTMILL_NEEDS": "pretrain=2"})


def quarantined(textmill: Textmill, node: str) -> dict[int, str]:
    (folder,) = textmill.artifacts(node)
    rows = pq.read_table(folder / "quarantine.parquet").to_pylist()
    assert all(row["file"] and row["source"] for row in rows)
    return {row["line"]: row["reason"] for row in rows}


def test_bad_rows_are_quarantined_and_counted(fresh: Callable[..., Textmill]) -> None:
    """Among them a line of 200 MB, which must not be held in memory many times."""
    textmill = fresh()
    lines = [
        b'{"text": "a good line of text"}',
        b'{"text": "not UTF-8: \xff\xfe"}',
        b'{"text": "a NUL \\u0000 inside"}',
        b'{"text": "a raw NUL \0 inside"}',
        b'{"text": "' + b"x" * 2000 + b'"}',
        b'{"text": "   "}',
        b'{"text": "cut off',
        b'{"other": 1}',
        b'{"text": "another good line"}',
    ]
    with (textmill.root / "data/events.jsonl").open("wb") as file:
        file.writelines(line + b"\n" for line in lines)
        file.write(b'{"text": "')
        for _ in range(200):
            file.write(b"y" * 1_000_000)
        file.write(b'"}\n{"text": "the last good line"}\n')
    source = "ingest.corpus.sources=[{name: events, path: data/events.jsonl, max_record_bytes: 1000}]"
    report = textmill.run(source, "--until", "ingest.corpus")
    assert ran(report) == ["ingest.corpus"]
    (folder,) = textmill.artifacts("ingest.corpus")
    account = json.loads((folder / "manifest.json").read_text())["metrics"]["account"]
    reasons = quarantined(textmill, "ingest.corpus")
    assert set(reasons) == {2, 3, 4, 5, 6, 7, 8, 10}
    for line, word in {2: "UTF-8", 3: "NUL", 4: "NUL", 5: "1000", 6: "empty", 7: "JSON", 8: "text", 10: "1000"}.items():
        assert word in reasons[line], reasons
    assert (account["documents_in"], account["documents_kept"], account["documents_quarantined"]) == (11, 3, 8)
    assert account["bytes_in"] == account["bytes_kept"] + account["bytes_quarantined"] + account["bytes_cut"]
    assert json.loads((folder / "execution.json").read_text())["memory_bytes"] < 1_000_000_000


def test_bad_labels_are_quarantined_and_counted(fresh: Callable[..., Textmill]) -> None:
    textmill = fresh()
    with (textmill.root / "data/labels.csv").open("ab") as file:
        file.write(b"a,f,\xff,logging\r\nb,f,a\0b,logging\r\nc,f, ,logging\r\nd,f\r\n")
        file.write(b"e,f," + b"x" * 5000 + b",logging\r\n")
    done = textmill("run", "--until", "ingest.labels", "ingest.labels.sources.0.max_record_bytes=1000")
    reasons = quarantined(textmill, "ingest.labels")
    assert list(reasons) == [134, 135, 136, 137, 138]
    assert "132 examples in 3 classes" in done.out


def test_a_truncated_gzip_fails_and_is_resumed_when_it_is_whole(fresh: Callable[..., Textmill]) -> None:
    textmill = fresh()
    chance = random.Random(0)
    lines = [json.dumps({"text": f"line {index} {chance.random()}"}) for index in range(4000)]
    whole = gzip.compress("\n".join(lines).encode())
    file = textmill.root / "data/events.jsonl.gz"
    run = ("ingest.corpus.sources=[{name: events, path: data/events.jsonl.gz}]", "--until", "ingest.labels")
    for share in (0.9, 0.02):  # beyond and within what is looked at before any stage runs
        file.write_bytes(whole[: int(share * len(whole))])
        said = textmill("run", "--json", *run, code=1).err
        assert "data/events.jsonl.gz" in said
        assert re.search("truncated|ends too early|cut off|damaged", said)
        assert not textmill.artifacts("ingest.corpus")
    file.write_bytes(whole)
    assert ran(textmill.run(*run)) == ["ingest.corpus", "ingest.general", "ingest.labels"]


def test_everything_dropped_fails_and_names_the_rule(copy: Textmill) -> None:
    rules = "select.rules=[{kind: lorem_ipsum}, {kind: word_count, minimum: 1000}]"
    done = copy("run", "--json", "--until", "select", rules, code=1)
    assert "word_count" in done.err
    assert re.search(r"\b29\d\b", done.err), "it says how many"
    assert "lorem_ipsum" not in done.err.partition("textmill: ")[2].split("word_count")[0]
    assert ran(copy.run("--until", "select")) == [], "what was done before is kept"
