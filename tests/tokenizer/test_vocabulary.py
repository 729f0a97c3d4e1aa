"""Keeping, extending and training a vocabulary."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from pipeline_config.tokenizer import Extend, Keep, TokenizerConfig, Train
from tasks.corpus.document import document_table, write_documents
from tasks.runtime.artifact import Corpus, InputFile, InputFiles, RawCorpus
from tasks.runtime.errors import RefusedInput
from tasks.tokenizer.report import compare, domain_terms, resegmented
from tasks.tokenizer.stage import tokenizer
from tasks.tokenizer.vocabulary import choose_words, extend, load_fast, train, word_counts

DOMAIN = ["The kmskey rotates; kmskeyring too.", "Every kmskey needs a policy, kmskey!", "bucket policy"] * 10
GENERAL = ["the open port", "a public storage port"] * 10


def base_of(folder: Path) -> InputFiles:
    files = tuple(
        InputFile(name=p.name, path=p, sha256="0", size=p.stat().st_size) for p in folder.iterdir() if p.is_file()
    )
    return InputFiles(node="model.base", fingerprint="base", digest="base", files=files)


def documents(folder: Path, texts: list[str]) -> Path:
    rows = [
        {"id": hashlib.sha256(f"{i}".encode()).digest()[:16], "source": "s", "text": text}
        for i, text in enumerate(texts)
    ]
    write_documents(folder / "documents", document_table(rows))
    return folder


@pytest.fixture
def inputs(tmp_path: Path, tiny_encoder: Path) -> tuple[InputFiles, Corpus, RawCorpus]:
    return (
        base_of(tiny_encoder),
        Corpus(node="select", fingerprint="d", path=documents(tmp_path / "domain", DOMAIN)),
        RawCorpus(node="ingest.general", fingerprint="g", path=documents(tmp_path / "general", GENERAL)),
    )


def test_words_are_counted_as_the_tokenizer_sees_them(tiny_encoder: Path) -> None:
    counts = word_counts(load_fast(tiny_encoder), ["KMSkey, kmskey!", "Key"])
    assert counts == Counter({"kmskey": 2, "key": 1, ",": 1, "!": 1})


def test_the_words_that_save_most_tokens_come_first(tiny_encoder: Path) -> None:
    tokenizer = load_fast(tiny_encoder)

    def pieces(word: str) -> list[str]:
        return tokenizer.tokenize(word)

    counts = Counter({"keypolicy": 9, "portaudit": 30, "bucket": 99, "rare": 1, "no1": 50, "zugriff": 40})
    chosen = choose_words(tokenizer, counts, Extend(kind="extend", count=2, min_frequency=2))
    readable = [w for w in ("keypolicy", "portaudit", "zugriff") if "[UNK]" not in pieces(w)]
    expected = sorted(readable, key=lambda w: -counts[w] * (len(pieces(w)) - 1))[:2]
    assert [word["token"] for word in chosen] == expected
    assert all(word["pieces"] == pieces(word["token"]) for word in chosen)


def test_extending_leaves_all_other_encodings_but_those_of_longer_words(tmp_path: Path, tiny_encoder: Path) -> None:
    old = load_fast(tiny_encoder)
    new = extend(load_fast(tiny_encoder), ["kmskey"], tmp_path / "new")
    assert len(new) == len(old) + 1
    assert new.convert_tokens_to_ids("kmskey") == len(old)
    assert new.get_vocab() == old.get_vocab() | {"kmskey": len(old)}
    text = "Public bucket: encryption key rotation, network port 443 open? policy"
    assert new(text)["input_ids"] == old(text)["input_ids"]
    assert new.tokenize("kmskey policy") == ["kmskey", "policy"]
    again = AutoTokenizer.from_pretrained(tmp_path / "new")
    again.save_pretrained(tmp_path / "again")
    assert AutoTokenizer.from_pretrained(tmp_path / "again").tokenize("kmskey") == ["kmskey"]


def test_a_word_that_is_a_prefix_recuts_others_and_that_is_counted(tmp_path: Path, tiny_encoder: Path) -> None:
    old = load_fast(tiny_encoder)
    assert old.tokenize("storages") == ["storage", "##s"]
    new = extend(load_fast(tiny_encoder), ["storages"], tmp_path / "new")
    counts = Counter({"storages": 5, "storagesy": 3, "bucket": 9})
    before, after = old.tokenize("storagesy"), new.tokenize("storagesy")
    assert before != after
    found = resegmented(old, new, counts, {"storages"})
    assert found["examples"] == ["storagesy"]
    assert (found["words"], found["occurrences"]) == (1, 3)
    assert found["occurrences_now_longer"] == (3 if len(after) > len(before) else 0)


def test_the_report_by_hand(tiny_encoder: Path) -> None:
    old = load_fast(tiny_encoder)
    report = compare(old, old, ["bucket policy", "storages"], [], ["bucket", "storages"])
    assert report["domain"]["words"] == 3
    assert report["domain"]["fertility"] == {"before": 4 / 3, "after": 4 / 3}
    assert report["domain"]["tokens_saved_percent"] == 0.0
    assert report["domain_terms"]["whole"] == {"before": 0.5, "after": 0.5}
    assert report["general"]["fertility"] == {"before": 0.0, "after": 0.0}


def test_domain_terms_stand_out_against_general_text() -> None:
    domain = ["the bucket and the policy"] * 20 + ["the key"] * 6
    assert domain_terms(domain, ["the dog and the cat"] * 30, 10) == ["bucket", "policy", "key"]


def test_keep_is_the_base_models_own(run_stage: Callable[..., Any], inputs: Any, tiny_encoder: Path) -> None:
    artifact = run_stage(tokenizer, TokenizerConfig(vocabulary=Keep(kind="keep")), *inputs)
    kept = AutoTokenizer.from_pretrained(artifact.path / "tokenizer")
    old = AutoTokenizer.from_pretrained(tiny_encoder)
    assert kept(DOMAIN)["input_ids"] == old(DOMAIN)["input_ids"]
    assert json.loads((artifact.path / "new_tokens.json").read_text()) == []
    assert artifact.metrics["domain"]["tokens_saved_percent"] == 0.0
    assert artifact.metrics == json.loads((artifact.path / "report.json").read_text())
    for file in (artifact.path / "tokenizer").iterdir():
        assert str(tiny_encoder) not in file.read_text(), "no path of this machine belongs in an artifact"


def test_extend_saves_tokens_on_the_domain_and_gives_the_same_bytes_again(
    run_stage: Callable[..., Any], inputs: Any
) -> None:
    config = TokenizerConfig(vocabulary=Extend(kind="extend", count=5, min_frequency=5))
    artifact = run_stage(tokenizer, config, *inputs)
    added = json.loads((artifact.path / "new_tokens.json").read_text())
    assert 0 < len(added) <= 5
    assert artifact.metrics["vocabulary"]["after"] == artifact.metrics["vocabulary"]["before"] + len(added)
    new = AutoTokenizer.from_pretrained(artifact.path / "tokenizer")
    old = AutoTokenizer.from_pretrained(inputs[0].folder)
    before, after = (sum(len(t.tokenize(text)) for text in DOMAIN) for t in (old, new))
    assert artifact.metrics["domain"]["tokens_saved_percent"] == pytest.approx(100 * (1 - after / before))
    assert after < before
    assert run_stage(tokenizer, config, *inputs).digest == artifact.digest


@pytest.mark.parametrize("algorithm", ["wordpiece", "byte_bpe"])
def test_train_gives_a_tokenizer_that_can_mask(run_stage: Callable[..., Any], inputs: Any, algorithm: Any) -> None:
    config = TokenizerConfig(vocabulary=Train(kind="train", algorithm=algorithm, vocab_size=320))
    artifact = run_stage(tokenizer, config, *inputs)
    new = AutoTokenizer.from_pretrained(artifact.path / "tokenizer")
    assert len(new) <= 320
    assert None not in (new.pad_token_id, new.cls_token_id, new.sep_token_id, new.mask_token_id)
    ids = new("bucket policy")["input_ids"]
    assert (ids[0], ids[-1]) == (new.cls_token_id, new.sep_token_id)
    assert new.decode(ids[1:-1]).strip() == "bucket policy"
    assert artifact.metrics["domain_terms"]["whole"]["after"] >= 0.5
    if algorithm == "byte_bpe":
        assert artifact.metrics["domain"]["unknown_tokens"]["after"] == 0
        assert new.unk_token_id not in new("日本 ß 🪣")["input_ids"]


def test_byte_bpe_merges_as_by_hand() -> None:
    """The example of Sennrich et al. 2016: low×5 lower×2 newest×6 widest×3; e+s, es+t come first, then l+o."""
    words = ["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3
    config = Train(kind="train", algorithm="byte_bpe", vocab_size=300)
    model = json.loads(train(lambda: words, config, 64).backend_tokenizer.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    assert merges[:3] == [("e", "s"), ("es", "t"), ("l", "o")]


SCRIPT = """
import sys
from pipeline_config.tokenizer import Train
from tasks.tokenizer.vocabulary import train
from hashlib import sha256
texts = [f"w{i % 97} {'abcdefgh'[i % 8:]}{'xyzuv'[i % 5:]} q{i * 7919 % 1009}" for i in range(1500)]
for algorithm in ("wordpiece", "byte_bpe"):
    made = train(lambda: texts, Train(kind="train", algorithm=algorithm, vocab_size=700), 64)
    print(sha256(made.backend_tokenizer.to_str().encode()).hexdigest())
"""


@pytest.mark.slow
def test_training_is_the_same_in_every_process() -> None:
    """Hash maps of the trainer are seeded anew in each process; ties must not show it."""
    root = Path(__file__).parents[2]
    running = [
        subprocess.Popen([sys.executable, "-c", SCRIPT], cwd=root, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    first, second = (process.communicate()[0].split() for process in running)
    assert len(first) == 2
    assert first == second


def test_only_wordpiece_can_be_extended(run_stage: Callable[..., Any], inputs: Any) -> None:
    trained = run_stage(
        tokenizer, TokenizerConfig(vocabulary=Train(kind="train", algorithm="byte_bpe", vocab_size=300)), *inputs
    )
    with pytest.raises(RefusedInput, match="is BPE; only WordPiece can be extended"):
        run_stage(
            tokenizer,
            TokenizerConfig(vocabulary=Extend(kind="extend")),
            base_of(trained.path / "tokenizer"),
            *inputs[1:],
        )
