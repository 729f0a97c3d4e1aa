"""Versions of a corpus: what comes later is measured under the first state and displaces nothing, until a refit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_config.clean import CleanConfig
from pipeline_config.measure import MeasureConfig
from pipeline_config.selection import SelectConfig
from tasks.corpus import document, partitions
from tasks.corpus.document import document_id, document_table, read_documents, write_documents
from tasks.curation import selection
from tasks.curation.decontamination import HeldOutTexts
from tasks.curation.fate import fate_of_document
from tasks.curation.measure import FITTED, POPULATION, SIGNATURES, TABLE, Measuring
from tasks.curation.stage import clean, measure, select
from tasks.curation.what_if import what_if
from tasks.runtime.artifact import RawCorpus
from tasks.runtime.settings import Settings

WORDS = ["bucket", "key", "the", "of", "policy", "role", "log", "network", "rule", "is", "clé", "Zürich", "access"]
CLEAN = {"edits": [{"kind": "whitespace"}]}
Texts = dict[str, str]
"""By name; a name is all that an id is made of."""


def text(seed: int, words: int = 60) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, words))


def texts(*seeds: int) -> Texts:
    return {f"text {seed}": text(seed) for seed in seeds}


def longer(text: str) -> str:
    """A near-duplicate: of 60 words, so that they share 56 shingles of 59."""
    return f"{text} of the policy"


@pytest.fixture
def chain(tmp_path: Path, lid_model: Any, labels: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`chain(texts, after=…)`: clean, measure and select them, after what an earlier one made."""
    held_out = labels(validation=["no such text"], test=["nor this one"])

    def run(
        texts: Texts,
        after: SimpleNamespace | None = None,
        *,
        cleaning: dict[str, Any] = CLEAN,
        measuring: dict[str, Any] | None = None,
        selecting: dict[str, Any] | None = None,
        size: int = 1 << 30,
        workers: int = 1,
        shuffle: int = 0,
    ) -> SimpleNamespace:
        monkeypatch.setattr(document, "SHARD_BYTES", 8192)
        monkeypatch.setattr(document, "GROUP_ROWS", 16)
        monkeypatch.setattr(partitions, "PARTITION_BYTES", size)
        monkeypatch.setattr(partitions, "WORKER_BYTES", 1)
        base = tmp_path / f"chain{len(list(tmp_path.glob('chain*')))}"
        rows = [
            {"id": identity(name), "source": "docs", "text": text, "metadata": "{}"} for name, text in texts.items()
        ]
        np.random.default_rng(shuffle).shuffle(rows)
        write_documents(base / "raw" / "documents", document_table(rows))
        made = SimpleNamespace(events=[], held_out=held_out, folder=base)
        made.raw = RawCorpus(node="ingest.corpus", fingerprint=base.name, path=base / "raw")
        made.configs = (
            CleanConfig.model_validate(cleaning),
            MeasureConfig.model_validate(measuring or {}),
            SelectConfig.model_validate(selecting or {"rules": []}),
        )
        for stage, arguments in (
            (clean, lambda: (made.configs[0], made.raw)),
            (measure, lambda: (made.configs[1], made.clean, lid_model)),
            (select, lambda: (made.configs[2], made.clean, made.measure, held_out)),
        ):
            before = getattr(after, stage.name).path if after and stage.incremental else None
            out, work = base / stage.name, base / f"{stage.name}-work"
            out.mkdir()
            work.mkdir()
            job = stage.job(stage.name, stage.bind(*arguments()), out, work, before)
            setattr(made, stage.name, stage.execute(job, made.events.append, Settings(workers=workers)))
        return made

    return run


def identity(name: str) -> bytes:
    return document_id("docs", name.encode())


def measured(made: SimpleNamespace) -> pa.Table:
    return pq.read_table(made.measure.path / TABLE)


def versions(made: SimpleNamespace, names: Texts) -> dict[str, int]:
    found = dict(zip(*(measured(made)[name].to_pylist() for name in ("id", "version")), strict=True))
    return {name: found[identity(name)] for name in names}


def ledger(made: SimpleNamespace) -> dict[bytes, dict[str, Any]]:
    return {row["id"]: row for row in pq.read_table(made.select.path / "ledger.parquet").to_pylist()}


def kept(made: SimpleNamespace, names: Texts) -> set[str]:
    ids = set(read_documents(made.select.path / "documents", ["id"])["id"].to_pylist())
    return {name for name in names if identity(name) in ids}


def said(made: SimpleNamespace) -> str:
    return "\n".join(event["message"] for event in made.events if event["event"] == "say")


PERPLEXITY = {
    "rules": [
        {"kind": "perplexity", "low_quantile": 0.05, "high_quantile": 0.9, "min_documents": 5, "report_only": False}
    ]
}
BASE = texts(*range(120))
GROWN = {
    **{name: own for name, own in BASE.items() if name not in ("text 3", "text 4")},
    **texts(*range(500, 540)),
    "text 5": "changed under the id that it had, " + text(900),
    **{f"longer {seed}": longer(text(seed)) for seed in range(7, 12)},
    "copy of 8": text(8),
}


@pytest.mark.parametrize(
    "spread",
    [
        pytest.param({"size": 1}, id="parts"),
        pytest.param({"size": 4000, "workers": 2, "shuffle": 5}, id="workers", marks=pytest.mark.long),
    ],
)
@pytest.mark.timeout(60)
def test_base_and_increment_equal_one_full_run_with_the_same_state_and_order(
    chain: Callable[..., Any], lid_model: Any, tmp_path: Path, spread: dict[str, int]
):
    base = chain(BASE, selecting=PERPLEXITY)
    grown = chain(GROWN, base, selecting=PERPLEXITY, **spread)
    assert grown.measure.metrics["lineage"] | {"cleaned_by": ""} == {
        "version": 1,
        "parent": base.measure.fingerprint,
        "fitted_in": base.measure.fingerprint,
        "fitted_documents": 120,
        "cleaned_by": "",
        "refit_due": False,
    }
    assert "47 of 164 documents are new or changed" in said(grown)

    # The full run: every document is measured under the state of the base, none is taken over, all are walked.
    full = tmp_path / "full"
    (full / "part").mkdir(parents=True)
    work = Measuring(grown.configs[1], lid_model.files[0].path, base.measure.path / FITTED)
    tables, signatures = [], []
    for partition in partitions.cut(grown.clean.path / "documents"):
        work(partition, full / "part")
        tables.append(pq.read_table(full / "part" / "measures.parquet"))
        signatures.append(np.load(full / "part" / "signatures.npy"))
    table = pa.concat_tables(tables)
    unchanged = {identity(name) for name, own in GROWN.items() if BASE.get(name) == own}
    version = pa.array([int(each not in unchanged) for each in table["id"].to_pylist()], pa.int32())
    table = table.set_column(table.column_names.index("version"), "version", version)
    assert measured(grown).equals(table)
    for file in (TABLE, SIGNATURES, POPULATION):
        (full / file).parent.mkdir(exist_ok=True)
    pq.write_table(table, full / TABLE)
    np.save(full / SIGNATURES, np.concatenate(signatures))
    pq.write_table(measured(base), full / POPULATION)
    held_out = HeldOutTexts.read(grown.configs[2].decontaminate, (), grown.held_out)
    (tmp_path / "selected").mkdir()
    metrics = selection.run(
        grown.configs[2], grown.clean.path / "documents", full, 5, held_out, [], tmp_path / "selected", 1 << 30, ()
    )
    rows = pq.read_table(tmp_path / "selected" / "ledger.parquet")
    assert rows.equals(pq.read_table(grown.select.path / "ledger.parquet"))
    assert metrics["account"] == grown.select.metrics["account"]

    # What was decided of the base still holds: neither thresholds nor later texts move it.
    before, after = ledger(base), ledger(grown)
    assert {before[each]["step"] for each in unchanged} >= {None, "perplexity"}
    assert all({**before[each], "component": 0} == {**after[each], "component": 0} for each in unchanged)
    steps = {step["step"]: step["documents"] for step in grown.select.metrics["steps"]}
    assert steps["near"] > 0
    assert "copy of 8" not in kept(grown, GROWN)


def test_what_came_earlier_stays_until_a_refit(chain: Callable[..., Any]):
    grown = {**BASE, "longer 7": longer(text(7))}
    base = chain(BASE)
    increment = chain(grown, base)
    assert kept(increment, grown) == set(BASE)
    assert ledger(increment)[identity("longer 7")]["matched_id"] == identity("text 7")
    refit = chain(grown, measuring={"refit": 1})  # other settings: the store finds nothing earlier
    assert kept(refit, grown) == set(grown) - {"text 7"}
    assert refit.measure.metrics["lineage"]["version"] == 0
    assert "lineage" not in base.select.metrics
    assert increment.select.metrics["lineage"]["parent"] == base.measure.fingerprint
    fate = fate_of_document(
        f"doc:{identity('longer 7').hex()}", *(increment.__dict__[n] for n in ("raw", "clean", "measure", "select"))
    )
    assert "new in version 1 of the corpus" in next(line.text for line in fate.lines if line.stage == "measure")


def test_what_a_document_alone_displaced_returns_when_it_goes(chain: Callable[..., Any]):
    twin, copy = {"longer 7": longer(text(7))}, {"copy of 8": text(8)}
    first = chain(BASE)
    second = chain({**BASE, **twin, **copy}, first)
    assert kept(second, {**twin, **copy}) == set()
    left = {name: own for name, own in BASE.items() if name not in ("text 7", "text 8")} | twin | copy
    third = chain({**left, "text 600": text(600)}, second)
    assert kept(third, left) == set(left), "both are back, and nothing else went"
    assert versions(third, {**twin, "text 9": "", "text 600": ""}) == {"longer 7": 1, "text 9": 0, "text 600": 2}
    assert third.measure.metrics["lineage"]["fitted_in"] == first.measure.fingerprint
    assert third.measure.metrics["lineage"]["parent"] == second.measure.fingerprint


def test_a_threshold_changes_alone_and_is_asked_for_alike(chain: Callable[..., Any], tmp_path: Path):
    """Quantiles are those of the base, under any threshold; what-if sees them as a run does."""
    strange = {f"strange {n}": " ".join(f"{n * 31 + k:x}q{k * n:o}" for k in range(40)) for n in range(30)}
    base = chain(BASE, selecting=PERPLEXITY)
    grown = {**BASE, **strange}
    increment = chain(grown, base, selecting=PERPLEXITY)
    (was,), (now,) = (
        [step["fitted"] for step in made.select.metrics["steps"] if step["step"] == "perplexity"]
        for made in (base, increment)
    )
    assert now == was
    table = measured(increment)
    languages = dict(zip(*(table[name].to_pylist() for name in ("id", "language")), strict=True))
    known = {name for name in strange if languages[identity(name)] in {cell["language"] for cell in was}}
    assert 0 < len(known) < len(strange)
    assert kept(increment, strange) == set(strange) - known, "a language that the base has none of is not judged"
    wider = {"rules": [{**PERPLEXITY["rules"][0], "low_quantile": 0.0, "high_quantile": 1.0}]}
    changed = chain(grown, base, selecting=wider)
    assert kept(changed, BASE) == set(BASE), "the whole range of the base"
    (tmp_path / "scratch").mkdir()
    answer = what_if(
        changed.configs[2],
        selection.steps(changed.configs[2].rules),
        increment.clean,
        increment.measure,
        increment.held_out,
        increment.select,
        None,
        tmp_path / "scratch",
        samples=0,
    )
    assert answer.kept["after"]["documents"] == changed.select.metrics["account"]["documents_kept"]
    assert versions(changed, grown) == {name: int(name in strange) for name in grown}


def test_a_copy_that_comes_later_is_scored_by_a_model_that_did_not_see_the_first(chain: Callable[..., Any]):
    copies = {f"copy {seed}": text(seed) for seed in range(40)}
    increment = chain({**BASE, **copies}, chain(BASE))
    bits = dict(zip(*(measured(increment)[name].to_pylist() for name in ("id", "bits_per_byte")), strict=True))
    assert [bits[identity(f"copy {seed}")] for seed in range(40)] == [
        bits[identity(f"text {seed}")] for seed in range(40)
    ]


@pytest.mark.parametrize(
    ("grown", "cleaning"),
    [
        (texts(*range(60), *range(300, 400)), CLEAN),  # 60 of 160 are known
        (texts(*range(300, 400)), CLEAN),
        (BASE, {"edits": [{"kind": "whitespace", "collapse_spaces": True}]}),
    ],
    ids=["mostly new", "another corpus", "other edits"],
)
def test_where_state_is_none_of_this_corpus_it_is_fitted_anew(
    chain: Callable[..., Any], grown: Texts, cleaning: dict[str, Any]
):
    base = chain(BASE)
    other = chain(grown, SimpleNamespace(clean=base.clean, measure=base.measure), cleaning=cleaning)
    assert measured(other).equals(measured(chain(grown, cleaning=cleaning)))
    assert other.measure.metrics["lineage"]["version"] == 0
    assert "fitted anew" in said(other)


def test_a_corpus_that_has_doubled_asks_for_a_refit(chain: Callable[..., Any]):
    first = chain(texts(*range(30)))
    second = chain(texts(*range(55)), first)
    assert "refit" not in said(second)
    third = chain(texts(*range(61)), second)
    assert "grown from 30 to 61 documents since its state was fitted: a refit is due" in said(third)


def test_a_line_is_kept_by_another_document_when_the_one_that_kept_it_goes(chain: Callable[..., Any]):
    line = "the notice that stands everywhere"
    edits = {"edits": [{"kind": "repeated_lines", "min_documents": 5, "report_only": False}]}
    base = {f"text {n}": f"{line}\n{text(n)}" for n in range(20)}

    def holders(made: Any) -> list[str]:
        table = read_documents(made.clean.path / "documents")
        return [one for one in table["text"].to_pylist() if line in one]

    first = chain(base, cleaning=edits)
    [kept] = holders(first)
    grown = {**base, "text 20": f"{line}\n{text(20)}"}
    second = chain(grown, first, cleaning=edits)
    assert holders(second) == [kept]
    assert "20 documents are as in an earlier artifact" in said(second)
    left = {name: one for name, one in grown.items() if one != kept}
    third = chain(left, second, cleaning=edits)
    assert len(holders(third)) == 1
    assert "counted anew, since what kept a line may be gone (documents gone or changed: 1)" in said(third)


def test_lines_count_as_often_as_in_the_first_version_until_a_refit(chain: Callable[..., Any]):
    old, new = "the notice that stands everywhere", "another notice that came much later"
    edit = {"kind": "repeated_lines", "min_documents": 5, "report_only": False, "keep": "none"}
    base = {f"text {n}": f"{old}\n{text(n)}" for n in range(20)}
    grown = {**base, **{f"text {n}": f"{old}\n{new}\n{text(n)}" for n in range(20, 32)}}
    del grown["text 0"]
    first = chain(base, cleaning={"edits": [edit]})
    second = chain(grown, first, cleaning={"edits": [edit]})
    cleaned = read_documents(second.clean.path / "documents")["text"].to_pylist()
    assert not any(old in each for each in cleaned)
    assert sum(new in each for each in cleaned) == 12
    assert second.clean.metrics["lineage"] == {"fitted_in": first.clean.fingerprint}
    assert "19 documents are as in an earlier artifact" in said(second)
    refit = chain(grown, cleaning={"edits": [{**edit, "refit": 1}]})
    assert not any(new in each for each in read_documents(refit.clean.path / "documents")["text"].to_pylist())
