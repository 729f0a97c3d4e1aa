"""How words are cut into tokens, before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from tasks.report.material import Material

WORDS = 20
BASE = ("finetune.frozen", "finetune.base")
"""Their models carry the base model's own tokenizer."""


def build(material: Material) -> dict[str, Any]:
    node = material.node("tokenizer")
    report = node.metrics
    after = _load(node.folder / "tokenizer")
    base = next((material.nodes[name].folder for name in BASE if name in material.nodes), None)
    before = _load(base / "model") if base else None
    added = node.json("new_tokens.json")
    old = {entry["token"]: entry["pieces"] for entry in added}
    # Words that were added are shown first, then words of the domain that stand out.
    terms = list(dict.fromkeys([*list(old)[: WORDS // 2], *report["domain_terms"]["examples"]]))
    rows = []
    for term in terms:
        first = old.get(term) or (_cut(before, term) if before else None)
        second = _cut(after, term)
        rows.append({"word": term, "before": first, "after": second, "changed": first is not None and first != second})
    rows.sort(key=lambda row: (not row["changed"], -len(row["after"])))
    return {"report": report, "rows": rows[:WORDS], "changed": any(row["changed"] for row in rows)}


def _load(folder: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _cut(tokenizer: Tokenizer, word: str) -> list[str]:
    return list(tokenizer.encode(word, add_special_tokens=False).tokens)
