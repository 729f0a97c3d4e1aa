"""A document's fate, which models it was shown to, and where a labelled example went: asked of the artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.runtime.artifact import SAMPLE
from tasks.runtime.errors import RefusedInput

if TYPE_CHECKING:
    from tasks.runtime.artifact import Manifest
    from tasks.runtime.store import Store

QUARANTINED_TOLD = 5


def document(store: Store, nodes: Mapping[str, str], reference: str) -> dict[str, Any]:
    """The fate of a document, from these artifacts of the curation; of a labelled example its split.

    Raises:
        RefusedInput: it is none, or the curation has not run.
    """
    from tasks.curation.fate import NoSuchDocument, tell_fate

    missing = [node for node in ("ingest.corpus", "clean", "measure", "select") if node not in nodes]
    if missing:
        raise RefusedInput(f"{missing[0]} has not run here, so no document has a fate yet: textmill run --until select")
    folders = [store.workspace.artifact(node, nodes[node]) for node in ("ingest.corpus", "clean", "measure", "select")]
    earlier = partial(seen_before, store)
    labels = store.workspace.artifact("ingest.labels", nodes["ingest.labels"]) if "ingest.labels" in nodes else None
    name = "ingest.benchmarks"
    benchmarks = store.workspace.artifact(name, nodes[name]) if name in nodes else None
    lid_model, witnesses = _language_model(store, folders[2]), partial(seen_by, store, nodes)
    try:
        return tell_fate(
            reference,
            *folders,
            labels=labels,
            benchmarks=benchmarks,
            lid_model=lid_model,
            seen_by=witnesses,
            seen_before=earlier,
        )
    except NoSuchDocument as error:
        if labels and (found := labelled(labels, reference)):
            return found
        for selected, older in before(store, folders[0]):
            with suppress(NoSuchDocument):
                gone = (
                    f"withdrawn: the newest run has it no more{_sampled(store, folders[0])}; last in select/{selected}"
                )
                return tell_fate(reference, *older, seen_before=earlier, withdrawn=gone)
        aside = [line for folder in (folders[0], labels) if folder for line in quarantined(folder)]
        told = "".join(f"\n  quarantined, and so without an id: {line}" for line in aside[:QUARANTINED_TOLD])
        raise RefusedInput(f"{error}{told}") from None


def before(store: Store, newest: Path) -> Iterator[tuple[str, list[Path]]]:
    """What was curated from other raw corpora than the newest, that used last first: fingerprint of the selection, and
    the folders of the raw corpus, cleaned text, measures and selection, all intact."""
    asked = {newest}
    for select in store.last_used("select"):
        clean, measures = (_made(store, {"select": select.name}, "select", node)[1] for node in ("clean", "measure"))
        raw = _made(store, {"clean": clean.name}, "clean", "ingest.corpus")[1] if clean else None
        if raw and clean and measures and raw not in asked:
            asked.add(raw)
            yield select.name[:10], [raw, clean, measures, select]


def _sampled(store: Store, raw: Path) -> str:
    """A remark where a raw corpus is a sample, so that what it lacks may still be in the files."""
    manifest, _ = store.verify(raw)
    return " (it read a sample)" if manifest and manifest.config.get(SAMPLE, 1) != 1 else ""


def _language_model(store: Store, measures: Path) -> Path | None:
    """The file that the measures identified languages with, if it still lies where its name says."""
    from flows.inputs import find_language_model

    manifest, _ = store.verify(measures)
    for name, sha256 in manifest.inputs["lid_model"].files.items() if manifest else ():
        with suppress(RefusedInput):
            file = find_language_model(name, store).files[0]
            return file.path if file.sha256 == sha256 else None
    return None


def seen_by(store: Store, nodes: Mapping[str, str], document: bytes) -> tuple[list[str], str]:
    """The nodes of `pretrain` and `distill` that drew a kept document, and a remark (empty for none).

    Each is asked about what it was itself made from, which may be older than the newest corpus.
    """
    import numpy as np

    from tasks.distillation.transfer import transfer_ids
    from tasks.runtime.artifact import Corpus

    models, remarks = [], []
    pretrain, pack = _made(store, nodes, "pretrain", "pack")
    if pretrain is not None and pack is not None:
        documents = np.load(pack / "documents.npy", mmap_mode="r")  # (N, 16)
        at = np.flatnonzero((documents == np.frombuffer(document, np.uint8)).all(axis=1))
        if len(at):
            held_out = bool(np.load(pack / "heldout.npy", mmap_mode="r")[at[0]])
            if held_out:
                remarks.append("held out of pretraining")
            elif _weight(pretrain, pack, int(at[0])) > 0:
                models.append("pretrain")
    distill, corpus = _made(store, nodes, "distill", "select")
    if distill is not None and corpus is not None:
        sources, limit = distill.config["transfer_sources"], distill.config["max_transfer_documents"]
        drawn = transfer_ids(
            Corpus(node="select", fingerprint="", path=corpus), None if sources is None else tuple(sources), limit
        )
        if document in set(drawn):
            models.append("distill")
    return models, "; ".join(remarks)


def seen_before(store: Store, document: bytes) -> tuple[list[str], str]:
    """What lies here that was made from a document which is taken down now: artifacts, and registered versions."""
    from flows.cleaning import all_versions, made_from

    made = [
        (node, folder.name)
        for node in ("pretrain", "distill")
        for folder in sorted((store.workspace.artifacts / node).glob("[!.]*"))
        if node in seen_by(store, {node: folder.name}, document)[0]
    ]
    folders = store.workspace.artifacts.glob("*/[!.]*")
    manifests = {(path.parent.name, path.name): manifest for path in folders if (manifest := store.verify(path)[0])}
    versions = [
        f"{version.model}/{version.version}"
        for version in all_versions(store.workspace)
        if made_from(version, manifests) & set(made)
    ]
    named = [f"{node}/{fingerprint[:10]}" for node, fingerprint in made]
    return [*named, *versions], "of all that lies in this workspace; models elsewhere are not asked"


def labelled(labels: Path, query: str) -> dict[str, Any] | None:
    """The one labelled example whose id begins with what `query` says: its split and label; None for none or several.

    Examples that no split took (their label is not learnt, or there are enough of it) are not kept and not found.
    """
    import datasets

    prefix = query.strip().removeprefix("doc:").rstrip("….").lower()
    found = []
    for split, rows in datasets.load_from_disk(str(labels / "data")).items():
        found += [(split, rows, at) for at, name in enumerate(rows["id"]) if name.startswith(prefix)]
    if len(found) != 1:
        return None
    split, rows, at = found[0]
    row = rows[at]
    label = rows.features["label"].int2str(row["label"])
    excerpt = " ".join(row["text"].split())[:160]
    uses = {"train": "fine-tuning and distill", "validation": "no model; it chooses among epochs"}
    use = uses.get(split, "no model; it judges them")
    lines = [f'labelled example  "{excerpt}"', f" labels   {split} split, label {label}", f" seen by  {use}"]
    return {"document": f"doc:{row['id']}", "excerpt": excerpt, "split": split, "label": label, "lines": lines}


def quarantined(folder: Path) -> list[str]:
    """What was set aside unread, a phrase for each: such records never had an id."""
    import pyarrow.parquet as pq

    rows = pq.read_table(folder / "quarantine.parquet", columns=["file", "line", "reason"]).to_pylist()
    return [f"{row['file']}, line {row['line']}: {row['reason']}" for row in rows]


def _made(store: Store, nodes: Mapping[str, str], node: str, of: str) -> tuple[Manifest | None, Path | None]:
    """The newest manifest of a node, and the folder of its input that the node `of` made; None where gone."""
    if node not in nodes:
        return None, None
    manifest, _ = store.verify(store.workspace.artifact(node, nodes[node]))
    for record in manifest.inputs.values() if manifest else ():
        if record.node == of:
            folder = store.workspace.artifact(of, record.fingerprint)
            return manifest, folder if store.verify(folder)[0] else None
    return manifest, None


def _weight(pretrain: Manifest, pack: Path, at: int) -> float:
    import json

    import numpy as np

    names = json.loads((pack / "packed.json").read_text("utf-8"))["sources"]
    source = names[np.load(pack / "sources.npy", mmap_mode="r")[at]]
    return float(pretrain.config["mixture"].get(source, 1.0))
