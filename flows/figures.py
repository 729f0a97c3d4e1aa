"""The main figure of an artifact, in a few words."""

from __future__ import annotations

from typing import Any

from tasks.runtime.artifact import (
    LINEAGE,
    Artifact,
    Checkpoint,
    CleanCorpus,
    CompressedModel,
    Corpus,
    Evaluation,
    LabelledData,
    Measures,
    PackedCorpus,
    RawCorpus,
    TaskModel,
    Tokenizer,
)
from tasks.runtime.units import count, size


def main_figure(artifact: Artifact) -> str:
    """One line about what a node made; empty for a kind that has no figure."""
    metrics = artifact.metrics
    match artifact:
        case RawCorpus():
            account = metrics["account"]
            return f"{count(account['documents_kept'])} documents, {size(account['bytes_kept'])}{_left(account)}"
        case LabelledData():
            splits = ", ".join(f"{number} {name}" for name, number in metrics["splits"].items())
            return f"{count(metrics['examples'])} examples in {metrics['labels']} classes ({splits})"
        case CleanCorpus():
            account = metrics["account"]
            dropped = f", {count(account['documents_dropped'])} left empty" if account["documents_dropped"] else ""
            return f"{size(account['bytes_cut'])} cut, {size(account['bytes_inserted'])} inserted{dropped}"
        case Measures():
            language, most = max(metrics["languages"].items(), key=lambda item: int(item[1]["documents"]))
            foreign = 1 - most["documents"] / (metrics["documents"] or 1)
            return f"{count(metrics['documents'])} documents, {foreign:.1%} not {language}{_version(metrics)}"
        case Corpus():
            return _selected(metrics)
        case Tokenizer():
            domain = metrics["domain"]["fertility"]
            added = f", {count(metrics['added'])} tokens added" if metrics["added"] else ""
            return f"{metrics['kind']}: {domain['after']:.2f} tokens a word{added}"
        case PackedCorpus():
            return f"{count(metrics['tokens'])} tokens in {count(metrics['rows'])} rows"
        case Checkpoint():
            loss = metrics["heldout_loss"]
            return f"held-out loss {loss['before']:.3f} → {loss['after']:.3f}"
        case TaskModel():
            return f"validation macro-F1 {metrics['validation_macro_f1']:.3f}"
        case CompressedModel():
            agrees = f"agrees with its parent on {metrics['agreement']:.1%} of the validation texts"
            return f"{size(metrics['size_bytes'])}, {agrees}"
        case Evaluation():
            last = metrics["rungs"][-1]
            return f"{len(metrics['rungs'])} rungs; {last['title']}: macro-F1 {last['macro_f1']['value']:.3f} on test"
    return ""


def _version(metrics: dict[str, Any]) -> str:
    """Of measures under the state of an earlier version, which they are, and whether that has had its time."""
    lineage = metrics.get(LINEAGE, {})
    if not lineage.get("version"):
        return ""
    words = f"; version {lineage['version']}, fitted to {count(lineage['fitted_documents'])} of version 0"
    return words + (": a refit is due (measure.refit)" if lineage["refit_due"] else "")


def _left(account: dict[str, Any]) -> str:
    """What was not read on, and why."""
    quarantined, sampled = account["documents_quarantined"], account["documents_dropped"]
    words = f", {count(quarantined)} quarantined" if quarantined else ""
    if sampled:
        words += f"; {count(sampled)} are not in the sample, in which there are fewer duplicates than in the whole"
    return words


def _selected(metrics: dict[str, Any]) -> str:
    """What was kept, and the steps that took most."""
    taken = {step["step"]: step["documents"] for step in metrics["steps"] if not step.get("report_only")}
    most = sorted((name for name in taken if taken[name]), key=lambda name: -taken[name])[:4]
    words = ", ".join(f"−{count(taken[name])} {name}" for name in most)
    told = f"kept {count(metrics['account']['documents_kept'])} documents" + (f" ({words})" if words else "")
    if cut := metrics["account"]["bytes_cut"]:
        told += f"; {size(cut)} cut as repeated passages"
    for name, listed in metrics.get("listed", {}).items():
        if missing := listed["listed"] - listed["found"]:
            told += f"; {count(missing)} of {count(listed['listed'])} ids in select.{name} are of no document"
        if listed.get("near"):
            told += f"; {count(listed['near'])} near-duplicates of what select.{name} lists stay (see the card)"
    return told
