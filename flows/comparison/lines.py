"""A comparison as lines of at most 100 columns: what matters most comes first."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from flows.comparison.compared import Compared, Score, turns
from flows.comparison.sides import METRICS, Side
from flows.plain_lines import WIDTH
from tasks.comparison.corpora import Moved, Movements
from tasks.comparison.settings import Difference
from tasks.runtime.units import SCORES, count, signed

LISTED = 12
"""Lines of a section; --json has all."""
WHAT, CELL, WHY = 44, 24, 58


def as_lines(compared: Compared, rung: str, examples: int) -> list[str]:
    """`rung`: whose flips are shown; empty: those of the last step that both judged."""
    lines = [*_head("A", compared.a), *_head("B", compared.b)]
    shown = rung or next(reversed(compared.flips), None)
    sections = (
        list(_verdict(compared)),
        list(_settings("settings", compared.settings)),
        list(_files(compared)),
        list(_nodes(compared)),
        list(_scores(compared)),
        [] if shown is None else list(_flips(compared, shown, examples)),
        list(_corpus(compared, examples)),
        list(_figures(compared)),
    )
    for section in sections:
        lines += ["", *section] if section else []
    return lines


def _head(letter: str, side: Side) -> Iterator[str]:
    yield from _wrapped(f"{letter}  {side.kind} {side.name}  {side.about}")
    if side.gone:
        yield from _wrapped(f"   gone or damaged, so not compared: {', '.join(side.gone)}")


def _verdict(compared: Compared) -> Iterator[str]:
    """One sentence: the last step that both judged, the flips, the documents that moved."""
    said = []
    if compared.scores:
        last = compared.scores[-len(METRICS)]
        low, high = (last.difference["low"], last.difference["high"]) if last.difference else (0.0, 0.0)
        word = "better" if low > 0 else "worse" if high < 0 else "neither better nor worse beyond chance"
        sure = word if last.difference else "no interval"
        said.append(f"{compared.title(last.rung)}: {SCORES[last.metric]} {_difference(last)}, {sure}")
        if last.rung in compared.flips:
            said.append(f"{count(len(compared.flips[last.rung]))} predictions flipped")
    if compared.movements is not None:
        said.append(f"{count(len(compared.movements.moved))} corpus documents moved")
    elif "select" in compared.nodes["same"]:
        said.append("the same corpus")
    if said:
        yield from _wrapped("B against A: " + "; ".join(said))


def _figures(compared: Compared) -> Iterator[str]:
    """Of an artifact all that it counted; of what else came out different a line each."""
    a, b = compared.a, compared.b
    if a.kind == "artifact" and a.node == b.node:
        own = [one for one in compared.figures if one.key.startswith(f"{a.node}.")]
        yield from _settings("figures", own) if own else ()
        return
    for node in compared.nodes["different"]:
        if a.figures[node] != b.figures[node]:
            yield f" {node:<20} A  {fitted(a.figures[node], WIDTH - 25)}"
            yield f" {'':<20} B  {fitted(b.figures[node], WIDTH - 25)}"


def _settings(title: str, found: list[Difference]) -> Iterator[str]:
    if not found:
        if title == "settings":
            yield "settings: the same"
        return
    yield f"{title:<{WHAT}} {'A':>{CELL}}    {'B':>{CELL}}"
    for one in found[:LISTED]:
        name, a, b = fitted(one.key, WHAT - 1), fitted(_value(one.a), CELL), fitted(_value(one.b), CELL)
        yield f" {name:<{WHAT - 1}} {a:>{CELL}} →  {b:>{CELL}}"
    yield from _more(len(found))


def _files(compared: Compared) -> Iterator[str]:
    if compared.files:
        yield "input files"
    for one in compared.files[:LISTED]:
        yield f" {one.change:<8} {fitted(one.file, WIDTH - 11)}"
    yield from _more(len(compared.files))


def _nodes(compared: Compared) -> Iterator[str]:
    for word, names in compared.nodes.items():
        if names:
            text = f"{word:<10} {', '.join(names)}"
            yield from _wrapped(f"{'nodes' if word == 'same' else '':<6}{text}", " " * 17)


def _scores(compared: Compared) -> Iterator[str]:
    scores = compared.scores
    if not scores and compared.a.sort not in ("run", "model", "Evaluation"):
        return
    if not scores:
        yield "scores: none that both have" + _why_none(compared)
        return
    whys = list(dict.fromkeys(one.why for one in scores if one.why))
    yield f"{'scores on the test set':<31}" + "".join(f"{f'{SCORES[m]} A → B':>17}{'B − A':>17}" for m in METRICS)
    rows: dict[str, list[Score]] = {}
    for one in scores:
        rows.setdefault(one.rung, []).append(one)
    for row in rows.values():
        cells = "".join(f"{f'{one.a:.2f} → {one.b:.2f}':>14}{_difference(one):>20}" for one in row)
        yield f" {fitted(row[0].title, 29):<30}{cells}".rstrip()
    if whys:
        yield from _wrapped(f" no intervals: {'; '.join(whys)}")
    else:
        judged = next(iter(compared.b.judged.values()))
        yield from _wrapped(
            f" intervals: {100 * judged.bootstrap['confidence']:g} %, paired bootstrap over "
            f"{len(set(judged.answers.groups.tolist()))} groups of {len(judged.answers.ids)} test documents"
        )


def _why_none(compared: Compared) -> str:
    missing = [letter for letter, side in (("A", compared.a), ("B", compared.b)) if not side.judged]
    return f" ({' and '.join(missing)} {'was' if len(missing) == 1 else 'were'} not evaluated)" if missing else ""


def _difference(score: Score) -> str:
    if score.difference is None:
        return signed(score.b - score.a)
    return f"{signed(score.difference['value'])} [{signed(score.difference['low'])},{signed(score.difference['high'])}]"


def _flips(compared: Compared, rung: str, examples: int) -> Iterator[str]:
    found = compared.flips[rung]
    documents = len(compared.b.judged[rung].answers.ids)
    counts = ", ".join(f"{number} {turn}" for turn, number in turns(found).items() if number)
    yield from _wrapped(
        f"{compared.title(rung)}: {count(len(found))} of {count(documents)} predictions flipped"
        + (f" ({counts})" if counts else "")
    )
    others = [f"{name} {len(flips)}" for name, flips in compared.flips.items() if name != rung]
    if others:
        yield from _wrapped(f" flips of the other steps (--rung NAME shows them): {', '.join(others)}")
    for row in compared.flip_rows(rung, examples):
        yield from _wrapped(
            f" {row['turn']}: {row['a']} → {row['b']}"
            + ("" if row["label"] in (row["a"], row["b"]) else f", label {row['label']}")
        )
        yield f"   {row['id'][:10]}  {_text(row['text'])}"
    if len(found) > examples:
        yield f" … and {len(found) - examples} more (--flips FILE writes all)"


def _corpus(compared: Compared, examples: int) -> Iterator[str]:
    moved = compared.movements
    if moved is None:
        if compared.why_no_corpus != "both have the same corpus":
            yield f"corpus: not compared, {compared.why_no_corpus}"
        return
    yield from _kept(moved)
    shown: dict[tuple[str, str], list[Moved]] = {}
    for one in compared.moved(max(1, min(examples, 2)) if examples else 0):
        shown.setdefault((one.move, one.step), []).append(one)
    for move, steps in moved.counts().items():
        yield f" {move:<24} {count(sum(steps.values())):>7}"
        for step, number in steps.items():
            yield f"   {step or 'no rule':<22} {count(number):>7}"
            for one in shown.get((move, step), []):
                reason = why(one)
                yield f"     {one.document[:14]}  {reason}{_text(one.text, WIDTH - 21 - len(reason))}"
    if moved.moved:
        yield f" --moved FILE writes all {count(len(moved.moved))} with their texts"


def _kept(moved: Movements) -> Iterator[str]:
    (judged_a, kept_a), (judged_b, kept_b) = moved.documents
    edited = f"; {count(moved.edited)} kept in both read differently" if moved.edited else ""
    yield from _wrapped(
        f"corpus: kept {count(kept_a)} of {count(judged_a)} → {count(kept_b)} of {count(judged_b)} documents{edited}"
    )


def why(one: Moved) -> str:
    """Why a document was dropped, in at most `WHY` columns: the reason is cut before twin and value are."""
    if not one.reason:
        return ""
    twin = f" of {one.matched[:14]}" if one.matched else ""
    bound = "" if one.threshold is None else f", threshold {_number(one.threshold)}"
    value = "" if one.value is None else f" ({_number(one.value)}{bound})"
    return f"{fitted(one.reason, WHY - len(twin + value))}{twin}{value}  "


def _number(value: float) -> str:
    return f"{value:.0f}" if value.is_integer() else f"{value:.4g}"


def _more(number: int) -> Iterator[str]:
    if number > LISTED:
        yield f" … and {number - LISTED} more (--json names all)"


def _value(value: Any) -> str:
    match value:
        case dict():
            return f"{value.get('kind', 'a section')}"
        case list() if any(isinstance(item, dict) for item in value):
            return f"{len(value)} entries"
        case float():
            return f"{value:.6g}"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else printable(str(value))


def fitted(text: str, room: int) -> str:
    """A name in `room` columns: its beginning and its end tell most."""
    return text if len(text) <= room else f"{text[: room // 2]}…{text[len(text) - (room - room // 2 - 1) :]}"


def printable(text: str) -> str:
    """On one line, without control characters: a text of the user must not steer the terminal."""
    return "".join(character if character.isprintable() else "�" for character in " ".join(text.split()))


def _text(text: str | None, room: int = WIDTH - 15) -> str:
    if text is None:
        return "(its text is gone)"
    line = printable(text)
    return f'"{line}"' if len(line) <= room - 2 else f'"{line[: room - 3]}…"'


def _wrapped(text: str, indent: str = "   ") -> Iterator[str]:
    yield from textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False)
