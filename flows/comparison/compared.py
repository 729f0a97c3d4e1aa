"""Two sides held against each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from flows.comparison.sides import METRICS, Judged, Side
from tasks.comparison.answers import Flip, flips, same_documents, score_difference
from tasks.comparison.corpora import Moved, Movements, movements, with_texts
from tasks.comparison.settings import Difference, differences, numbers
from tasks.promotion.figures import test_rows
from tasks.runtime.errors import RefusedInput

LADDER = ("rungs", "paired", "agreement")
"""Metrics of an evaluation that `scores` tells."""


@dataclass(frozen=True)
class Score:
    rung: str
    title: str
    metric: str
    a: float
    b: float
    difference: Mapping[str, float] | None
    """Value, low, high of B minus A; None where no interval can be given."""
    why: str
    """Why there is no interval; empty if there is one."""


@dataclass(frozen=True)
class FileChange:
    node: str
    file: str
    change: str
    """`changed`, `added` or `removed`."""


@dataclass(frozen=True)
class Compared:
    a: Side
    b: Side

    @cached_property
    def settings(self) -> list[Difference]:
        """Settings, and versions of the stages, that differ in what both have."""
        a, b = _config(self.a, self.b), _config(self.b, self.a)
        found = list(differences({key: a[key] for key in a if key in b}, {key: b[key] for key in b if key in a}))
        for node, one, other in self._both():
            if one.version != other.version:
                found.append(Difference(f"{node} (version of the stage)", one.version, other.version))
        return found

    @cached_property
    def files(self) -> list[FileChange]:
        """Of the inputs that both have."""
        found = []
        for _, one, other in self._both():
            for name, record in other.inputs.items():
                before = one.inputs[name].files if name in one.inputs else {}
                if not (before and record.files):
                    continue
                for file in dict.fromkeys((*before, *record.files)):
                    if before.get(file) != record.files.get(file):
                        change = "added" if file not in before else "removed" if file not in record.files else "changed"
                        found.append(FileChange(record.node, file, change))
        return list(dict.fromkeys(found))

    @cached_property
    def nodes(self) -> dict[str, list[str]]:
        a, b = self.a.manifests, self.b.manifests
        both = [node for node in a if node in b]
        return {
            "same": [node for node in both if a[node].digest == b[node].digest],
            "different": [node for node in both if a[node].digest != b[node].digest],
            "only in A": [node for node in a if node not in b],
            "only in B": [node for node in b if node not in a],
        }

    @cached_property
    def scores(self) -> list[Score]:
        return [score for rung, a, b in self._judged() for score in _scores(rung, a, b)]

    @cached_property
    def figures(self) -> list[Difference]:
        """Numbers of the nodes that came out different, but those that `scores` tells."""
        found = []
        for node, one, other in self._both():
            if one.digest != other.digest:
                a, b = ({k: v for k, v in side.metrics.items() if k not in LADDER} for side in (one, other))
                found += list(numbers(differences(a, b, node)))
        return found

    @cached_property
    def flips(self) -> dict[str, list[Flip]]:
        """By rung, where both sides judged the same documents."""
        return {rung: flips(a.answers, b.answers) for rung, a, b in self._judged() if _alike(a, b)}

    @cached_property
    def movements(self) -> Movements | None:
        """None where a side has no corpus, or both have the same."""
        if self.why_no_corpus:
            return None
        assert self.a.place is not None
        assert self.b.place is not None
        return movements(self.a.place, self.b.place)

    @property
    def why_no_corpus(self) -> str:
        for letter, side in (("A", self.a), ("B", self.b)):
            if side.place is None:
                gone = "select" in side.gone
                return f"{letter} has no corpus" + (": its select artifact is gone or damaged" if gone else "")
        return "both have the same corpus" if "select" in self.nodes["same"] else ""

    @cached_property
    def texts(self) -> dict[str, str]:
        """Texts of the test documents by id; empty where the labelled data is gone."""
        for labels in (self.b.labels, self.a.labels):
            if labels is not None:
                rows = test_rows(labels, "id", "text")
                return dict(zip(rows["id"].to_pylist(), rows["text"].to_pylist(), strict=True))
        return {}

    def title(self, rung: str) -> str:
        a, b = self.a.judged[rung].title, self.b.judged[rung].title
        return a if a == b else f"{a} → {b}"

    def flip_rows(self, rung: str, limit: int | None = None) -> list[dict[str, Any]]:
        return [{**asdict(flip), "text": self.texts.get(flip.id)} for flip in self.flips[rung][:limit]]

    def all_flips(self) -> Iterator[dict[str, Any]]:
        for rung in self.flips:
            yield from ({"rung": rung, **row} for row in self.flip_rows(rung))

    def moved(self, limit: int | None) -> list[Moved]:
        """The moved documents with their texts; at most `limit` of each move and rule."""
        if self.movements is None:
            return []
        assert self.a.place is not None
        assert self.b.place is not None
        count: dict[tuple[str, str], int] = {}
        chosen = []
        for one in self.movements.moved:
            count[one.move, one.step] = seen = count.get((one.move, one.step), 0) + 1
            if limit is None or seen <= limit:
                chosen.append(one)
        return list(with_texts(chosen, self.a.place, self.b.place))

    def all_moved(self) -> Iterator[dict[str, Any]]:
        yield from map(asdict, self.moved(None))

    def as_json(self, examples: int) -> dict[str, Any]:
        """For programs; at most `examples` documents of a kind.

        - `a`, `b`: `kind` (`run`, `artifact`, `version`), `name`, `about`, `gone` (nodes that could not be compared)
        - `settings`: rows of `key`, `a`, `b`; `(absent)` where a side has no such setting
        - `files`: rows of `node`, `file`, `change`
        - `nodes`: names under `same`, `different`, `only in A`, `only in B`
        - `scores`: rows of `rung` (empty if each side is one model), `title`, `metric`, `a`, `b`, `difference`
          (`value`, `low`, `high` of B minus A, or null) and `why` there is none
        - `figures`: rows of `key`, `a`, `b`: other numbers that differ
        - `flips`: by rung `documents`, `counts` by turn, `examples` (`id`, `turn`, `label`, `a`, `b`, `text`)
        - `corpus`: `judged` and `kept` of `a` and `b`, `edited`, `counts` by move and rule, `examples` (`document`,
          `source`, `move`, `step`, `reason`, `value`, `threshold`, `matched`, `text`); or null, and `why_no_corpus`
          says why
        """
        sides = {
            letter: {"kind": side.kind, "name": side.name, "about": side.about, "gone": side.gone}
            for letter, side in (("a", self.a), ("b", self.b))
        }
        corpus = None
        if self.movements is not None:
            (judged_a, kept_a), (judged_b, kept_b) = self.movements.documents
            corpus = {
                "a": {"judged": judged_a, "kept": kept_a},
                "b": {"judged": judged_b, "kept": kept_b},
                "edited": self.movements.edited,
                "counts": self.movements.counts(),
                "examples": [asdict(one) for one in self.moved(examples)],
            }
        return {
            **sides,
            "settings": [asdict(one) for one in self.settings],
            "files": [asdict(one) for one in self.files],
            "nodes": self.nodes,
            "scores": [asdict(one) for one in self.scores],
            "figures": [asdict(one) for one in self.figures],
            "flips": {
                rung: {
                    "documents": len(self.a.judged[rung].answers.ids),
                    "counts": turns(found),
                    "examples": self.flip_rows(rung, examples),
                }
                for rung, found in self.flips.items()
            },
            "corpus": corpus,
            "why_no_corpus": self.why_no_corpus,
        }

    def _both(self) -> Iterator[tuple[str, Any, Any]]:
        """Node and the manifests of A and B, for the nodes of both; last the artifacts themselves, of other nodes."""
        for node, one in self.a.manifests.items():
            if node in self.b.manifests:
                yield node, one, self.b.manifests[node]
        a, b = self.a.manifests.get(self.a.node), self.b.manifests.get(self.b.node)
        if a and b and a.node != b.node and a.stage == b.stage:
            yield a.stage, a, b

    def _judged(self) -> Iterator[tuple[str, Judged, Judged]]:
        for rung, one in self.a.judged.items():
            if rung in self.b.judged:
                yield rung, one, self.b.judged[rung]


def compare(a: Side, b: Side) -> Compared:
    """Raises: RefusedInput for things that cannot be held against each other."""
    if a.kind != b.kind:
        raise RefusedInput(
            f"{a.name} is {_a(a.kind)} and {b.name} {_a(b.kind)}: expected two runs, two artifacts or two versions."
            + _remedy(a, b)
        )
    if a.sort != b.sort:
        raise RefusedInput(
            f"{a.name} is {_a(a.sort)} and {b.name} {_a(b.sort)}: expected two artifacts of one kind, or two models."
        )
    return Compared(a, b)


def turns(found: list[Flip]) -> dict[str, int]:
    """Documents by turn."""
    from tasks.comparison.answers import TURNS

    return {turn: sum(flip.turn == turn for flip in found) for turn in TURNS}


def _config(side: Side, other: Side) -> dict[str, Any]:
    """The settings of a side; of two runs the whole config, if the records of both have it."""
    if side.kind == "run" and not (side.config and other.config):
        return {node: manifest.config for node, manifest in side.manifests.items()}
    config = dict(side.config)
    own, its = side.manifests.get(side.node), other.manifests.get(other.node)
    if own and its and own.node != its.node and own.stage == its.stage:
        config[own.stage] = own.config
    return config


def _scores(rung: str, a: Judged, b: Judged) -> Iterator[Score]:
    why = _why_not(a, b)
    for metric in METRICS:
        found = None
        if not why:
            found = score_difference(a.answers, b.answers, metric, **b.bootstrap).as_dict()
        title = a.title if a.title == b.title else "the two models"
        yield Score(rung, title, metric, a.scores[metric]["value"], b.scores[metric]["value"], found, why)


def _alike(a: Judged, b: Judged) -> bool:
    return not _why_not(a, b)


def _why_not(a: Judged, b: Judged) -> str:
    """Why two models' answers cannot be paired; empty if they can."""
    if a.test_digest != b.test_digest:
        shared = len(set(a.answers.ids) & set(b.answers.ids))
        sizes = f"{len(a.answers.ids)} and {len(b.answers.ids)} documents, {shared} of them shared"
        return f"judged on another test set ({sizes})"
    return "" if same_documents(a.answers, b.answers) else "the labels of the test set have other names"


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0].lower() in "aeiou" else f"a {kind}"


def _remedy(a: Side, b: Side) -> str:
    """A version is held against an artifact by the artifact that it is a copy of."""
    for one, other in ((a, b), (b, a)):
        if (one.kind, other.kind) == ("version", "artifact") and one.node in one.manifests:
            fingerprint = one.manifests[one.node].fingerprint[:10]
            return f"\n  {one.name} is a copy of {one.node}/{fingerprint}: name that instead."
    return ""
