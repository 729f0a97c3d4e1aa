"""What is done to a text before anything is decided about it."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline_config.base import Section


class EditSection(Section):
    """What every edit takes."""

    sources: tuple[str, ...] = ()
    """Names of the sources whose documents it edits; empty = all."""


class RepairConfig(EditSection):
    """Undo wrong decodings (mojibake), typographic ligatures and full-width forms with ftfy (Speer 2019)."""

    kind: Literal["repair"]
    straighten_quotes: bool = False
    """Write ' and \" for typographic quotation marks."""


class NormalFormConfig(EditSection):
    """Unicode normal form (Unicode Standard Annex 15)."""

    kind: Literal["normal_form"]
    form: Literal["NFC", "NFKC"] = "NFC"
    """NFC composes; NFKC replaces compatibility characters too and so changes what some mean (² becomes 2)."""


class HtmlConfig(EditSection):
    """HTML to plain text: tags, scripts and styles out, entities decoded, block elements on lines of their own."""

    kind: Literal["html"]
    main_content: bool = False
    """Keep the main content alone, without navigation, advertisements and notices (trafilatura); where none is found,
    all of the text. Look at the cuts first: docs/html-extraction.md."""
    lists: bool = True
    """Keep lists. The next four are the Wikipedia rule: running text alone is left when all are false."""
    tables: bool = True
    """Keep tables."""
    headers: bool = True
    """Keep headings."""
    references: bool = True
    """Keep marks and lists of references (as MediaWiki and DPUB-ARIA mark them)."""


class MarkdownConfig(EditSection):
    """Markdown to plain text: emphasis, links and marks out, their words kept."""

    kind: Literal["markdown"]


class WhitespaceConfig(EditSection):
    """Control and invisible characters out, one kind of line end, no white space at line ends, few empty lines."""

    kind: Literal["whitespace"]
    max_empty_lines: int = Field(default=1, ge=0)
    """Empty lines that may follow one another."""
    collapse_spaces: bool = False
    """Make one space of several within a line. It spoils tables and code."""


class DropLinesConfig(EditSection):
    """Drop lines by rules, as C4 does (Raffel et al. 2020, section 2.2). Technical text: look at the cuts first."""

    kind: Literal["drop_lines"]
    min_words: int = Field(default=0, ge=0)
    """Drop lines of fewer whitespace-delimited words; C4 has 3. Empty lines stay."""
    terminal_punctuation: bool = False
    """Keep only lines that end in . ! ? \" ” or one of 。！？; C4 does."""
    containing: tuple[str, ...] = ()
    """Drop lines that contain one of these, case ignored; C4 has `javascript` and policy notices."""


Edit = Annotated[
    RepairConfig | NormalFormConfig | HtmlConfig | MarkdownConfig | WhitespaceConfig | DropLinesConfig,
    Field(discriminator="kind"),
]


class CleanConfig(Section):
    """The edits that every document goes through."""

    edits: tuple[Edit, ...] = (
        RepairConfig(kind="repair"),
        NormalFormConfig(kind="normal_form"),
        WhitespaceConfig(kind="whitespace"),
    )
    """Applied in this order; every byte that they cut or insert is counted."""
