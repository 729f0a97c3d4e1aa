"""Which library finds the main text of a page: token F1 on the hand-marked pages, and pages a second.

    python -m venv page-env
    page-env/bin/pip install trafilatura==2.3.1 lxml_html_clean resiliparse==2.0.1 selectolax==1.0.2 pydantic numpy
    PYTHONPATH=. page-env/bin/python -m benchmarks.curation.html_extraction

`everything` is the edit `html` as it is by default: what a page holds, navigation and all. `the edit` is the same with
`main_content: true`, which gives trafilatura's HTML to the product's own way from HTML to text.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import mean

from pipeline_config.clean import HtmlConfig
from tasks.corpus.markup import html_to_text
from tasks.curation.edits.html import edit

PAGES = Path(__file__).parent / "pages"
MAIN = re.compile(r"<!--main-->(.*?)<!--/main-->", re.DOTALL)
MARK = re.compile(r"<!--/?main-->")
ROUNDS = 5


def marked() -> dict[str, tuple[str, str]]:
    """By name of the page: the page without its marks, and its main text."""
    found = {}
    for path in sorted(PAGES.glob("*.html")):
        html = path.read_text(encoding="utf-8")
        parts = [f"<div>{part}</div>" for part in MAIN.findall(html)]
        found[path.stem] = MARK.sub("", html), html_to_text("\n".join(parts))
    return found


def score(found: str, wanted: str) -> tuple[float, float, float]:
    """Precision, recall and F1 of the multisets of words, case ignored."""
    ours, theirs = (Counter(re.findall(r"\w+", text.lower())) for text in (found, wanted))
    hits = (ours & theirs).total()
    precision, recall = hits / max(1, ours.total()), hits / max(1, theirs.total())
    return precision, recall, 2 * hits / max(1, ours.total() + theirs.total())


def extractors() -> dict[str, Callable[[str], str]]:
    import trafilatura
    from resiliparse.extract.html2text import extract_plain_text

    return {
        "everything": html_to_text,
        "trafilatura 2.3.1": lambda html: trafilatura.extract(html) or "",
        "trafilatura 2.3.1, recall": lambda html: trafilatura.extract(html, favor_recall=True) or "",
        "the edit": lambda html: edit(html, HtmlConfig(kind="html", main_content=True)).text,
        "resiliparse 2.0.1": lambda html: extract_plain_text(html, main_content=True, alt_texts=False),
    }


def main() -> None:
    pages, found = marked(), extractors()
    scores = {
        name: {page: score(one(html), text) for page, (html, text) in pages.items()} for name, one in found.items()
    }
    print("|", " | ".join(["page", *found]), "|")
    print("|" + "---|" * (len(found) + 1))
    for page in pages:
        print(f"| {page} |", " | ".join(f"{scores[name][page][2]:.3f}" for name in found), "|")
    for number, what in enumerate(("precision", "recall", "F1")):
        means = [mean(one[number] for one in scores[name].values()) for name in found]
        print(f"| mean {what} |", " | ".join(f"{value:.3f}" for value in means), "|")
    cells = []
    for one in found.values():
        start = time.process_time()
        for _ in range(ROUNDS):
            for html, _ in pages.values():
                one(html)
        cells.append(f"{ROUNDS * len(pages) / (time.process_time() - start):.0f}")
    print("| pages a CPU second |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
