"""HTML to plain text: all of a page, or its main content as trafilatura finds it (Barbaresi 2021, ACL demo 15).

Of the libraries compared on hand-marked pages it found most of the main text (docs/html-extraction.md).
"""

from __future__ import annotations

import re

from pipeline_config.clean import HtmlConfig
from tasks.corpus.markup import flattened, html_to_text
from tasks.curation.edits.edited import Edited

_LISTS, _TABLES, _HEADERS = (
    ("ul", "ol", "dl", "menu"),
    ("table",),
    ("h1", "h2", "h3", "h4", "h5", "h6", ".mw-editsection"),
)
# Lists of references, marks of references in the text, and their headings, as MediaWiki and the roles of DPUB-ARIA 1.1
# name them.
_REFERENCES = (
    *("sup.reference", "ol.references", "div.references", ".reflist", ".refbegin", ".mw-references-wrap", ".footnotes"),
    *("[role=doc-bibliography]", "[role=doc-endnotes]", "[role=doc-footnote]", "[role=doc-noteref]"),
    *("h2:has(#References)", "h2#References", "h2#references", "h2#Notes", "h2#Footnotes", "h2#Bibliography"),
)
_INLINE_CODE = re.compile(r"<pre>([^\n<]*)</pre>")


def edit(text: str, config: HtmlConfig) -> Edited:
    html = _without(text, _left_out(config))
    plain = _main_content(html) if config.main_content else html_to_text(html)
    return Edited.between(text, plain, "HTML taken out")


def _left_out(config: HtmlConfig) -> tuple[str, ...]:
    """CSS selectors of what the config leaves out."""
    return (
        *(() if config.lists else _LISTS),
        *(() if config.tables else _TABLES),
        *(() if config.headers else _HEADERS),
        *(() if config.references else _REFERENCES),
    )


def _without(html: str, selectors: tuple[str, ...]) -> str:
    if not selectors or "<" not in html:
        return html
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(flattened(html))
    found = tree.css(", ".join(selectors))
    marked = {node.mem_id for node in found}
    outermost = []
    for node in found:
        above = node.parent
        while above is not None and above.mem_id not in marked:
            above = above.parent
        if above is None:
            outermost.append(node)
    for node in outermost:
        node.decompose()
    return tree.html if outermost and tree.html else html


def _main_content(html: str) -> str:
    """The main content as text; all of the text where none is found."""
    if "<" not in html:
        return html_to_text(html)
    import trafilatura

    found = trafilatura.extract(flattened(html), output_format="html", include_formatting=True, include_comments=True)
    # Its HTML has <pre> for code within a sentence as well.
    return html_to_text(_INLINE_CODE.sub(r"<code>\1</code>", found) if found else html)
