"""Curation in three stages: clean (edits), measure (facts), select (decisions)."""

from __future__ import annotations

from pipeline_config.clean import CleanConfig
from pipeline_config.measure import MeasureConfig
from pipeline_config.rule_presets import steps
from pipeline_config.selection import SelectConfig
from tasks.runtime.artifact import LINEAGE, CleanCorpus, Corpus, InputFiles, LabelledData, Measures, RawCorpus
from tasks.runtime.corpus_card import corpus_facts, write_card
from tasks.runtime.errors import RefusedInput, StageFailed
from tasks.runtime.stage import Context, stage


@stage("clean", version=4, incremental=True)
def clean(ctx: Context, config: CleanConfig, raw: RawCorpus) -> CleanCorpus:
    """Edit every document and count every byte cut or inserted. A document of which nothing is left is dropped."""
    from tasks.curation.clean import run
    from tasks.curation.edit_losses import complaint

    cleaned = run(ctx, config, raw.path / "documents")
    total = cleaned.account.documents_in
    say_reused(ctx, cleaned.reused)
    edits = [{"edit": edit.kind, **totals.figures()} for edit, totals in zip(config.edits, cleaned.edits, strict=True)]
    if not cleaned.account.documents_kept:
        most = max(edits, key=lambda edit: edit["emptied"], default={"edit": "none", "emptied": 0})
        raise StageFailed(
            f"clean left nothing of {total} documents; the edit {most['edit']!r} emptied most ({most['emptied']}). "
            "Expected some text; take that edit out of clean.edits, or restrict it with `sources`."
        )
    for edit in edits:
        told = "".join(f", {count} {kind}" for kind, count in edit.get("counts", {}).items())
        ctx.say(
            f"{edit['edit']}: {edit['documents']} documents, {edit['cut']} bytes cut, {edit['inserted']} inserted{told}"
        )
    if cleaned.losses:
        raise StageFailed(complaint(cleaned.losses))
    metrics = {"account": cleaned.account.model_dump(), "edits": edits}
    if cleaned.counted_in:
        ctx.say(f"repeated_lines: lines count as often as in {cleaned.counted_in[:10]}; its setting refit counts anew")
        metrics[LINEAGE] = {"fitted_in": cleaned.counted_in}
    return ctx.finish(CleanCorpus, metrics=metrics)


@stage("measure", version=3, incremental=True)
def measure(
    ctx: Context,
    config: MeasureConfig,
    clean: CleanCorpus,
    lid_model: InputFiles,
    toxicity: InputFiles | None = None,
) -> Measures:
    """Statistics, language, perplexity, MinHash signature; relevance and toxicity where asked for.

    `lid_model` is one fastText language-identification model (`lid.176.ftz` or `.bin`), `toxicity` the word lists or
    the classifier of `config.toxicity`.
    """
    from tasks.curation.lineage import next_version, settings_of
    from tasks.curation.measure import FITTED, TABLE, run, summary
    from tasks.curation.measures.perplexity import untrained

    if len(lid_model.files) != 1:
        names = ", ".join(file.name for file in lid_model.files) or "none"
        raise RefusedInput(f"The language-identification model must be one file, got {names}.")
    documents = clean.path / "documents"
    lineage = next_version(ctx.earlier, documents, TABLE, settings_of(clean))
    reused = run(ctx, config, documents, lineage, lid_model.files[0], toxicity)
    metrics = summary(ctx.out)
    say_reused(ctx, reused)
    if ctx.earlier and not lineage.version:
        ctx.say("fitted anew: the earlier artifact is of other edits, or knows less than half of these documents")
    for line in lineage.told(metrics["documents"] - reused, metrics["documents"]):
        ctx.say(line)
    if config.perplexity and untrained(ctx.out / FITTED):
        metrics["untrained"] = "perplexity"
        ctx.say(
            "perplexity: all texts of its sample are near one another, so that no model is left that has not seen the "
            "like of them. Their bits_per_byte are those of an untrained model (7.92) and say nothing; name sources "
            "with other text in measure.perplexity.reference, or leave rules over it out"
        )
    return ctx.finish(Measures, metrics={**metrics, LINEAGE: lineage.figures(metrics["documents"])})


@stage("select", version=4)
def select(
    ctx: Context,
    config: SelectConfig,
    clean: CleanCorpus,
    measures: Measures,
    labels: LabelledData,
    benchmarks: RawCorpus | None = None,
) -> Corpus:
    """Decide about every document: rules, decontamination, duplicates.

    Held out are the validation and test texts of `labels`, and all texts of `benchmarks`.
    """
    from tasks.curation.decontamination import HeldOutTexts, training_texts
    from tasks.curation.reported import reported
    from tasks.curation.selection import check_bands, listed_told, run

    measured = MeasureConfig.model_validate(measures.config)
    signature = measured.signature
    for kind, how in (
        ("relevance", "with its sources"),
        ("toxicity", "such as {kind: words}"),
        ("perplexity", "such as {}"),
    ):
        if getattr(measured, kind) is None and any(step.rule.kind == kind for step in steps(config.rules)):
            raise RefusedInput(f"select.rules: {kind} was not measured, measure.{kind} is null. Set it, {how}.")
    check_bands(config, signature.permutations)
    edits = CleanConfig.model_validate(clean.config).edits
    held_out = HeldOutTexts.read(config.decontaminate, edits, labels, benchmarks)
    documents = clean.path / "documents"
    training, memory = training_texts(labels.path / "data"), ctx.settings.index_memory
    metrics = run(config, documents, measures.path, signature.shingle_size, held_out, training, ctx.out, memory, edits)
    lineage = measures.metrics[LINEAGE]
    if lineage["version"]:
        metrics[LINEAGE] = lineage
    account = metrics["account"]
    for name, listed in metrics.get("listed", {}).items():
        ctx.say(listed_told(name, listed))
    for step in metrics["steps"]:
        alone = f"; alone it would drop {step['alone']['documents']}" if "alone" in step else ""
        if step.get("labelled"):
            alone += f" and {step['labelled']} of {len(training)} labelled training texts"
        note = " (report only)" if step.get("report_only") else ""
        ctx.say(f"{step['step']}{note}: {step['documents']} documents, {step['bytes']} bytes{alone}")
    if not account["documents_kept"]:
        most = max(metrics["steps"], key=lambda step: step["documents"])
        raise StageFailed(
            f"select kept none of {account['documents_in']} documents; {most['step']!r} dropped most "
            f"({most['documents']}). Expected some to stay; widen that rule in select.rules, or set its report_only."
        )
    told = reported(documents, metrics["steps"], edits)
    write_card(ctx.out, corpus_facts(ctx.recipe.config, metrics, clean.manifest, measures.manifest, told))
    return ctx.finish(Corpus, metrics=metrics)


def say_reused(ctx: Context, documents: int) -> None:
    if documents:
        ctx.say(f"{documents} documents are as in an earlier artifact of these settings, and were taken from there")
        ctx.measured("documents_reused", documents)
