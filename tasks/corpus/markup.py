"""Markup to plain text. What a reader would not see is left out; what is not markup stays as it is."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

# Elements that begin a line of their own; between paragraphs an empty line stands.
_LINES = frozenset(
    """address article aside blockquote body br center dd details div dl dt fieldset figcaption figure footer form
    header hr important legend li main nav note ol option section summary table tbody tfoot thead tr ul""".split()  # noqa: SIM905  # as a list it would be 40 lines
)
_PARAGRAPHS = frozenset(["p", "pre", "h1", "h2", "h3", "h4", "h5", "h6"])
_UNSEEN = frozenset(["script", "style", "template", "head", "noscript", "svg", "math", "iframe", "object"])
_CELLS = frozenset(["td", "th"])

MOST_LEVELS = 512
"""Of elements one within another: the bound of Blink (kMaximumHTMLParserDOMTreeDepth). A parser that follows the HTML
standard looks through all open elements at each tag, so that its effort grows with the square of the depth."""
# Not those whose end tag may be left out, and not those that have none.
_NESTING_TAG = re.compile(
    r"<(/?)(?!(?:p|li|d[td]|t[rdh]|option|optgroup|thead|tbody|tfoot|area|base|br|col|embed|hr|img|input|link|meta|source"
    r"|track|wbr)\b)[A-Za-z][^<>]*>?",
    re.IGNORECASE,
)

_TAG_OR_ENTITY = re.compile(r"</?[A-Za-z!]|&(?:#\d+|#[xX][0-9A-Fa-f]+|[A-Za-z][A-Za-z0-9]*);")
_MARKDOWN = re.compile(r"[*_`~\[\]#>|\\]|^\s*(?:[-+]|\d+[.)])\s|^ {4}|\n[-=]{3,}|&\w+;|<\w", re.MULTILINE)


def html_to_text(html: str) -> str:
    """The text of an HTML fragment or page: entities decoded, blocks on lines of their own, scripts and styles gone.

    Text without a tag or an entity is returned as it is.
    """
    if not _TAG_OR_ENTITY.search(html):
        return html
    from selectolax.lexbor import LexborHTMLParser

    root = LexborHTMLParser(flattened(html)).body
    if root is None:
        return ""
    out: list[str] = []
    stack: list[Any] = [root]  # nodes to enter, and the marks to write where an element ends
    preformatted = 0
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            preformatted -= node == _END_PRE
            out.append(node[0])
            continue
        tag = node.tag
        if tag == "-text":
            out.append((node.text_content or "").translate(_HARD if preformatted else _SOFT))
        elif tag not in _UNSEEN and not tag.startswith(("-", "_", "!")):
            edge = _edge(tag)
            if edge:
                out.append(edge)
                stack.append(edge)
            if tag == "pre":
                preformatted += 1
                stack[-1] = _END_PRE
            stack.extend(reversed(list(node.iter(include_text=True))))
    return _tidy("".join(out))


def flattened(html: str) -> str:
    """HTML without the tags of elements below `MOST_LEVELS` others; their text stays where it was.

    Elements whose end tag may be left out count as closed: they do not lie within their like.
    """
    if html.count("<") <= MOST_LEVELS:
        return html
    depth = 0

    def kept(tag: re.Match[str]) -> str:
        nonlocal depth
        if tag[1]:
            depth -= 1
            return tag[0] if depth < MOST_LEVELS else " "
        depth += 1
        return tag[0] if depth <= MOST_LEVELS else " "

    return _NESTING_TAG.sub(kept, html)


def markdown_to_text(markdown: str) -> str:
    """The text of a Markdown document (CommonMark with tables): emphasis, links, code marks and rules gone, words kept.

    Text without a mark of Markdown is returned as it is.
    """
    if not _MARKDOWN.search(markdown):
        return markdown
    return html_to_text(_parser().render(markdown))


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


# While the text is gathered, control characters stand for what white space will be.
_LINE, _PARAGRAPH, _HARD_LINE, _HARD_SPACE = "\x01", "\x02", "\x03", "\x04"
_MARKS = re.compile(r"[ \x01\x02]{2,}|[\x01\x02]")
_END_PRE = _PARAGRAPH * 2
_SOFT = {ord(mark): " " for mark in "\x01\x02\x03\x04\n\r\t\f\v\xa0"}
_HARD = _SOFT | {ord("\n"): _HARD_LINE, ord(" "): _HARD_SPACE, ord("\t"): _HARD_SPACE * 4}


def _edge(tag: str) -> str:
    if tag in _PARAGRAPHS:
        return _PARAGRAPH
    if tag in _LINES:
        return _LINE
    return " " if tag in _CELLS else ""


def _tidy(text: str) -> str:
    """Single spaces, none at the ends of lines; however many blocks begin or end at a place, one break stands there."""
    text = _MARKS.sub(lambda run: "\n\n" if _PARAGRAPH in run[0] else "\n" if _LINE in run[0] else " ", text)
    return text.replace(_HARD_LINE, "\n").replace(_HARD_SPACE, " ").strip()
