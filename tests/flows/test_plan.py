"""What `textmill plan` says of memory before anything runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from flows.commands.plan import select_lines
from pipeline_config.load import load


def node(name: str, *, action: str = "reuse", documents: int = 0) -> Any:
    artifact = SimpleNamespace(metrics={"account": {"documents_kept": documents}})
    return SimpleNamespace(node=name, action=action, certain=action == "reuse", artifact=artifact)


@pytest.mark.parametrize(
    ("overrides", "each"),
    [
        ((), 192 + 40 + 12 * 14),
        (("select.near_duplicates.bands=28",), 192 + 40 + 12 * 28),
        (("select.near_duplicates=null",), 192),
    ],
)
def test_the_memory_of_select_is_said_before_it_runs(tmp_path: Any, overrides: tuple[str, ...], each: int) -> None:
    file = tmp_path / "textmill.yaml"
    file.write_text("preset: cloud-security\n")
    config = load(file, overrides)
    select = node("select", action="run")
    known = [node("ingest.corpus", documents=2000), node("clean", documents=1000), select]
    assert select_lines(config, known) == [
        f"select holds {each} bytes a document in memory, {each} kB for 1000 documents."
    ]
    known[1] = node("clean", action="run")
    assert "for 2000 documents" in select_lines(config, known)[0]
    known[0] = node("ingest.corpus", action="run")
    assert select_lines(config, known) == [f"select holds {each} bytes a document in memory."]
    assert select_lines(config, [node("select")]) == []
