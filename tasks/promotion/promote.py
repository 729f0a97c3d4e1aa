"""Register what a road made, judge the candidate, move the aliases: `register_and_promote`, `promote`, `rollback`."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import get_args

from pipeline_config.promotion import PromotionConfig, Variant
from tasks.promotion.card import model_card
from tasks.promotion.figures import FIGURES, PREDICTIONS, Measured, figures, measure
from tasks.promotion.gates import Verdict, judge
from tasks.promotion.journal import Journal, promotion_lock
from tasks.promotion.ledger import Aliases, promoted, rejected, unchecked, undoable, withdrawn
from tasks.promotion.outcome import Promotion, Registered
from tasks.promotion.publish import Pages
from tasks.promotion.register import CARD, register_encoder, register_model, summary
from tasks.runtime.artifact import Artifact, Checkpoint, CompressedModel, Evaluation, TaskModel
from tasks.runtime.errors import RefusedInput
from tasks.runtime.registry import Registry, Version

VARIANTS: tuple[str, ...] = get_args(Variant)
JUDGED = "textmill/evaluation"


def register_and_promote(
    registry: Registry,
    *,
    model: str,
    config: PromotionConfig,
    evaluation: Evaluation,
    models: Mapping[str, TaskModel],
    compressed: Mapping[str, CompressedModel],
    checkpoint: Checkpoint | None,
    run_ids: Mapping[str, str],
) -> Promotion:
    """Register the variants of a road, point `challenger` to the candidate, judge it, and promote it if it may be.

    Args:
        models, compressed: what was evaluated; a rung of the ladder names its artifact by node.
        checkpoint: the adapted encoder, registered as `MODEL-encoder`.
        run_ids: MLflow's id of the run that made a node's artifact, by node; a node may be missing.

    Raises:
        RefusedInput: when the ladder has no rung of the candidate's variant.
    """
    made: dict[str, Artifact] = {one.node: one for one in (*models.values(), *compressed.values())}
    rows = {row["variant"]: row["node"] for row in evaluation.metrics["rungs"] if row.get("variant") in VARIANTS}
    if config.variant not in rows:
        raise RefusedInput(
            f"promotion.variant: {config.variant!r}: this road made no such variant. It made: {', '.join(rows)}."
        )
    labels = _sibling(evaluation, "labels")
    with promotion_lock(registry.workspace):
        journal = Journal(registry, model)
        aliases = journal.settle()
        found: dict[str, Version] = {}
        registered: list[Registered] = []
        for variant in [name for name in VARIANTS if name in rows]:
            artifact = made[rows[variant]]
            version, new = register_model(registry, model, variant, artifact, labels, run_ids.get(artifact.node, ""))
            found[variant] = version
            registered.append(summary(version, new))
        if checkpoint is not None:
            encoder, new = register_encoder(registry, model, checkpoint, run_ids.get(checkpoint.node, ""))
            registered.append(summary(encoder, new))
        for variant, version in found.items():
            found[variant] = _attach(registry, version, made[rows[variant]], config, evaluation, aliases.champion)
        candidate = found[config.variant]
        if registry.aliases(model).get("challenger") != candidate.version:
            registry.set_alias(model, "challenger", candidate.version)
        # Who rolled a version back does not want the next run to bring it back.
        entries = journal.entries()
        taken_back = withdrawn(entries, model, candidate.version)
        move = config.auto and not config.manual and not taken_back
        outcome = _decide(journal, candidate, aliases, config, move=move, override="")
        pages = Pages(registry, model)
        for variant, version in found.items():
            pages.version(version, made[rows[variant]], evaluation, journal.entries())
        if checkpoint is not None:
            pages.encoder(encoder, checkpoint)
        journal.publish()
    return replace(
        outcome,
        versions=tuple(registered),
        withdrawn=taken_back,
        rejected=rejected(entries, model, candidate.version),
        manual=config.manual,
    )


def promote(
    registry: Registry,
    *,
    model: str,
    version: int,
    config: PromotionConfig,
    override: str = "",
    reason: str = "",
    who: str = "",
) -> Promotion:
    """Judge a version again from what lies in it, check its files, and make it champion if it may be.

    A refusal is no exception: `Promotion.refused` says so, and nothing was changed.

    Args:
        override: a reason to promote against the verdict; it goes into the ledger.
        reason: of a promotion that the verdict allows; it goes into the ledger.
        who: for the ledger; empty = the user of this process.

    Raises:
        RefusedInput: for an unknown version, or one whose files are damaged.
    """
    with promotion_lock(registry.workspace):
        candidate = registry.get(model, version)
        journal = Journal(registry, model)
        aliases = journal.settle()
        given = {"override": override, "reason": reason, "who": who}
        return _decide(journal, candidate, aliases, config, move=True, asked=True, **given)


def reject(registry: Registry, *, model: str, version: int, reason: str, who: str) -> None:
    """Enter into the ledger that a person rejected a version. It stays what it is.

    Raises:
        RefusedInput: for an unknown version.
    """
    with promotion_lock(registry.workspace):
        registry.get(model, version)
        journal = Journal(registry, model)
        aliases = journal.settle()
        journal.change(journal.entry("reject", aliases, aliases, None, reason, who=who, version=version))


def rollback(registry: Registry, *, model: str) -> tuple[Aliases, Aliases]:
    """Restore both aliases as before the last promotion not yet undone; return them before and after.

    Raises:
        RefusedInput: when there is nothing left to undo.
    """
    with promotion_lock(registry.workspace):
        journal = Journal(registry, model)
        if not registry.versions(model):
            raise RefusedInput(f"{model}: no such model. {registry.known(model)}")
        aliases = journal.settle()
        last = undoable(journal.entries(), model)
        if last is None:
            raise RefusedInput(f"{model}: no promotion is left to undo. Champion: {aliases.champion or 'none'}.")
        for version in (last.before.champion, last.before.previous):
            if version is not None:
                registry.get(model, version)
        journal.change(
            journal.entry(
                "rollback",
                aliases,
                last.before,
                None,
                f"undoes the promotion of version {last.after.champion} at {last.when[:16].replace('T', ' ')}",
            )
        )
        return aliases, last.before


def _decide(
    journal: Journal,
    candidate: Version,
    aliases: Aliases,
    config: PromotionConfig,
    *,
    move: bool,
    override: str,
    reason: str = "",
    who: str = "",
    asked: bool = False,
) -> Promotion:
    outcome = Promotion(
        model=candidate.model,
        candidate=candidate.version,
        variant=candidate.variant,
        verdict=None,
        promoted=False,
        champion=aliases.champion,
        former=aliases.champion,
    )
    registry = journal.registry
    registry.check_intact(candidate)
    rival, after = aliases.champion, promoted(aliases, candidate.version)
    if aliases.champion == candidate.version:
        if not (asked and unchecked(journal.entries(), candidate.model, candidate.version)):
            return outcome
        # Somebody set it by hand. It is judged now, against the champion before it, and nothing moves.
        rival, after = _before_by_hand(journal, candidate), aliases
    verdict = _verdict(registry, stored(registry, candidate), candidate, config, rival)
    outcome = replace(outcome, verdict=verdict)
    pages = Pages(registry, candidate.model)
    if not move or not (verdict.passed or override):
        pages.gates(candidate, verdict)
        return outcome
    against = "" if verdict.passed else override
    pages.gates(candidate, verdict, against)
    journal.change(journal.entry("promote", aliases, after, verdict, against or reason, who=who))
    return replace(outcome, promoted=True, champion=candidate.version, overridden=against)


def _before_by_hand(journal: Journal, champion: Version) -> int | None:
    """The champion before somebody set this one by hand, if it is still there."""
    for entry in reversed(journal.entries()):
        if (entry.model, entry.action, entry.after.champion) == (champion.model, "external", champion.version):
            there = {one.version for one in journal.registry.versions(champion.model)}
            return entry.before.champion if entry.before.champion in there - {champion.version} else None
    return None


def _verdict(
    registry: Registry, measured: Measured | None, candidate: Version, config: PromotionConfig, champion: int | None
) -> Verdict:
    if champion is None:
        return judge(figures(measured, config.metric, None), config)
    in_use = registry.get(candidate.model, champion)
    # A champion whose files were lost is registered again, as the same model.
    other = measured if in_use.digest == candidate.digest else stored(registry, in_use)
    return judge(figures(measured, config.metric, (champion, other)), config)


def stored(registry: Registry, version: Version) -> Measured | None:
    """The figures that a version carries; None if there are none or they are not as they were written."""
    if "figures" not in version.tags:
        return None
    try:
        folder = registry.folder(version) / JUDGED
    except RefusedInput:  # its files are gone
        return None
    measured = Measured.read(folder)
    return measured if measured is not None and _digest(folder) == version.tags["figures"] else None


def _attach(
    registry: Registry,
    version: Version,
    artifact: Artifact,
    config: PromotionConfig,
    evaluation: Evaluation,
    champion: int | None,
) -> Version:
    """Store figures, predictions and the model card in the version, unless those of this evaluation are there."""
    if version.tags.get("evaluation") == evaluation.digest:
        return version
    measured = measure(evaluation, version.variant)
    assert measured is not None, version.variant
    verdict = None
    if version.variant == config.variant and champion != version.version:
        verdict = _verdict(registry, measured, version, config, champion)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / JUDGED).mkdir(parents=True)
        measured.write(folder / JUDGED)
        card = model_card(version.model, artifact, config, measured, verdict, _card(registry, version))
        (folder / CARD).write_text(card, encoding="utf-8")
        tags = {
            "test_digest": measured.test_digest,
            "figures": _digest(folder / JUDGED),
            "evaluation": evaluation.digest,  # last: the others are there when it is
        }
        return registry.attach(version, folder, tags)


def _card(registry: Registry, version: Version) -> str:
    """The card that a version has; empty if it was only just registered."""
    try:
        return (registry.folder(version) / CARD).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in (FIGURES, PREDICTIONS):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def _sibling(artifact: Artifact, name: str) -> Path:
    """The folder of an input of `artifact`."""
    record = artifact.manifest.inputs[name]
    return artifact.path.parent.parent / record.node / record.fingerprint
