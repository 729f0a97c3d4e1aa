"""The guard over edits, by hand."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline_config.clean import CleanConfig
from tasks.curation.stage import clean
from tasks.runtime.errors import StageFailed
from tasks.runtime.settings import Settings

GOOD, BARE = "This line ends as it should.", "no end here at all"  # 28 and 18 bytes
C4 = {"kind": "c4_lines"}


@pytest.fixture
def cleaned(run_stage: Callable[..., Any], raw: Any) -> Callable[..., Any]:
    def run(sources: dict[str, list[str]], *edits: dict[str, Any], **config: Any) -> Any:
        return run_stage(clean, CleanConfig.model_validate({"edits": edits, **config}), raw(*sources.items()))

    return run


def refused(cleaned: Callable[..., Any], sources: dict[str, list[str]], *edits: dict[str, Any]) -> str:
    with pytest.raises(StageFailed) as stopped:
        cleaned(sources, *edits)
    return str(stopped.value)


def test_an_edit_that_empties_most_stops_the_stage_unless_it_is_accepted(cleaned: Callable[..., Any]) -> None:
    sources = {"docs": [BARE] * 380 + [GOOD] * 20}
    said = refused(cleaned, sources, C4)
    assert "clean stops, since c4_lines empties 380 of the 400 documents (95%)" in said
    assert "c4_lines takes 6840 of the 7400 bytes (92%)" in said
    assert "c4_lines empties 380 of the 400 documents of source 'docs' (95%)" in said
    assert "clean.accept_losses=[c4_lines]" in said
    made = cleaned(sources, C4, accept_losses=["c4_lines"])
    assert made.metrics["account"]["documents_kept"] == 20


def test_what_was_done_before_the_stop_is_taken_up_once_it_is_accepted(raw: Any, tmp_path: Path) -> None:
    artifact, said = raw(("docs", [BARE] * 30 + [GOOD] * 10)), []
    (tmp_path / "work").mkdir()
    for accepted in ([], ["c4_lines"]):
        config = CleanConfig.model_validate({"edits": [C4], "accept_losses": accepted})
        out = tmp_path / f"out{len(accepted)}"
        out.mkdir()
        job = clean.job("clean", clean.bind(config, artifact), out, tmp_path / "work")
        with nullcontext() if accepted else pytest.raises(StageFailed, match="c4_lines empties 30 of the 40"):
            made = clean.execute(job, said.append, Settings(workers=1))
    assert made.metrics["account"]["documents_kept"] == 10
    assert "1 of 1 partitions were finished before" in str(said)


def test_up_to_half_and_nine_tenths_pass(cleaned: Callable[..., Any]) -> None:
    half = {"a": [BARE] * 18 + [GOOD] * 2, "b": [BARE] * 2 + [GOOD] * 18}
    assert cleaned(half, C4).metrics["account"]["documents_kept"] == 20
    more = {"a": [BARE] * 18 + [GOOD] * 2, "b": [BARE] * 3 + [GOOD] * 17}
    assert refused(cleaned, more, C4).startswith("clean stops, since c4_lines empties 21 of the 40 documents (52%). ")
    source = {"a": [BARE] * 19 + [GOOD], "b": [GOOD] * 60}
    assert refused(cleaned, source, C4).startswith(
        "clean stops, since c4_lines empties 19 of the 20 documents of source 'a' (95%); "
        "c4_lines takes 342 of the 370 bytes of source 'a' (92%). "
    )
    few = {"a": [BARE] * 19, "b": [GOOD] * 60}
    assert cleaned(few, C4).metrics["account"]["documents_kept"] == 60, "of 19 documents a share says little"


def test_bytes_count_where_no_document_is_emptied(cleaned: Callable[..., Any]) -> None:
    source = {"a": [f"{GOOD}\n{BARE * 20}"] * 20, "b": [GOOD * 20] * 60}  # 389 and 560 bytes
    assert refused(cleaned, source, C4).startswith(
        "clean stops, since c4_lines takes 7220 of the 7780 bytes of source 'a' (93%). "
    )


def test_the_markup_of_a_page_is_no_loss_and_the_next_edit_is_judged_by_what_comes_to_it(
    cleaned: Callable[..., Any],
) -> None:
    markup = f"<div class='{'x' * 500}'>"
    html, pages = {"kind": "html"}, {"a": [f"{markup}{GOOD}</div>"] * 20}
    assert cleaned(pages, html).metrics["account"]["bytes_kept"] == 20 * len(GOOD)
    pages = {"a": [f"{markup}{GOOD}<br>{BARE * 2}</div>"] * 20}  # 28 + 1 + 36 bytes of text, of which 37 go
    assert refused(cleaned, pages, html, C4).startswith(
        "clean stops, since c4_lines takes 740 of the 1300 bytes (57%). "
    )
    empty = {"a": [f"{markup}</div>"] * 21 + [f"<p>{GOOD}</p>"] * 20}
    assert refused(cleaned, empty, html).startswith("clean stops, since html empties 21 of the 41 documents (51%). ")


def test_losses_are_accepted_of_edits_that_there_are() -> None:
    with pytest.raises(ValidationError, match=r"'c4_lines', which is no edit of clean\.edits: repair, norm"):
        CleanConfig.model_validate({"accept_losses": ["c4_lines"]})
