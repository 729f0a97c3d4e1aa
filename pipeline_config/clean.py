"""What is done to a text before anything is decided about it."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from pipeline_config.base import NOT_IDENTITY, Section


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


class C4LinesConfig(EditSection):
    """The line rules of C4 to the letter: only lines that end in . ? ! or \" and not in ..., with enough words, no word
    over 1000 characters, no `javascript`, no notice of policy or cookies; citation marks such as [1] out; empty lines,
    too (Raffel et al. 2020, section 2.2). Made for web pages in English: of technical text it drops headings, lists and
    code. `drop_lines` has the same rules one by one."""

    kind: Literal["c4_lines"]
    min_words: int = Field(default=3, ge=0)
    """Whitespace-delimited words that a line needs: 3 in the first version of the paper, 5 in the later one and its
    code."""


class RepeatedLinesConfig(EditSection):
    """Lines or paragraphs that stand in many documents of one source out: navigation, notices. How often each stands is
    counted over the corpus first, after the edits before this one; the counts are part of the artifact. Technical lines
    repeat for good reason, in law and licensing the repeated text is the content: so it reports only, until told."""

    kind: Literal["repeated_lines"]
    unit: Literal["line", "paragraph"] = "line"
    """What is counted and goes; paragraphs are parted by empty lines."""
    min_documents: int = Field(default=10, ge=2)
    """Documents of a source that a line must stand in."""
    min_words: int = Field(default=4, ge=1)
    """Shorter lines stay, however often they stand. Whitespace-delimited words."""
    edges: int = Field(default=10, ge=0)
    """Only among so many first and so many last lines of a document that are not empty; 0: anywhere."""
    keep: Literal["first", "none"] = "first"
    """`first`: one document keeps its first occurrence, that whose text (as it comes to this edit) has the lowest hash,
    whatever the order; documents with one and the same text all keep theirs. Where `select` drops that document, the
    line goes with it, and no other has it any more. `none`: every occurrence goes."""
    max_share: float = Field(default=0.5, gt=0, le=1)
    """A document of which more than this share of bytes would go stays as it is."""
    report_only: bool = True
    """Cut nothing; the cuts of each document tell what would go."""
    refit: int = Field(default=0, ge=0)
    """Raise it by one to count the lines anew. Until then the counts of the first run hold for later documents."""


PiiKind = Literal[
    "email", "phone", "ip_address", "card", "iban", "us_ssn", "uk_nino", "de_steuer_id", "fr_nir", "es_dni",
    "it_codice_fiscale", "nl_bsn", "br_cpf", "in_aadhaar", "se_personnummer",
]  # fmt: skip
SecretKind = Literal[
    "private_key", "aws_access_key", "github_token", "gitlab_token", "slack_token", "google_api_key", "stripe_key",
    "google_oauth_token", "huggingface_token", "sendgrid_key", "digitalocean_token", "docker_token", "npm_token",
    "pypi_token", "sk_key", "jwt", "url_password", "assigned_secret",
]  # fmt: skip
Placeholder = Annotated[str, Field(pattern=r"^[<\[{#*|][^0-9@]{0,32}[>\]}#*|]$")]
"""Within brackets or other marks, short and without digits and @: no placeholder is taken for a hit or for a part of
one."""


class PiiConfig(EditSection):
    """Placeholders for personal data that have a form: addresses, numbers. Names of people need a model: they stay."""

    kind: Literal["pii"]
    kinds: tuple[PiiKind, ...] = get_args(PiiKind)
    """What is replaced. Where two overlap, that which fewer random numbers satisfy counts."""
    placeholder: Placeholder = "<{kind}>"
    """What is written instead; `{kind}` becomes the kind in capitals. It begins with one of
    `< [ { # * |`, ends with one of `> ] } # * |`, and has at most 32 characters between, no digits and no @, so that it
    is never taken for a hit."""
    phone_regions: tuple[str, ...] = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "BR", "IN", "SE")
    """Countries (ISO 3166, two letters) whose own way of writing telephone numbers is known, behind a word such as
    `phone`; North American numbers are known without one when US or CA is among them. Numbers with + always are."""
    private_addresses: bool = False
    """Replace IP addresses of private networks (10/8, 172.16/12, 192.168/16, fc00::/7 …), too."""


class SecretsConfig(EditSection):
    """Placeholders for credentials: tokens with a published form, private keys, passwords that are assigned."""

    kind: Literal["secrets"]
    kinds: tuple[SecretKind, ...] = get_args(SecretKind)
    """What is replaced."""
    placeholder: Placeholder = "<{kind}>"
    """What is written instead; `{kind}` becomes the kind in capitals. It begins with one of
    `< [ { # * |`, ends with one of `> ] } # * |`, and has at most 32 characters between, no digits and no @, so that it
    is never taken for a hit."""
    min_entropy: float = Field(default=3.0, ge=0)
    """Bits per character, at least, of a value that is assigned to a password, token or key."""


Edit = Annotated[
    RepairConfig
    | NormalFormConfig
    | HtmlConfig
    | MarkdownConfig
    | WhitespaceConfig
    | DropLinesConfig
    | C4LinesConfig
    | RepeatedLinesConfig
    | PiiConfig
    | SecretsConfig,
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
    accept_losses: tuple[str, ...] = Field(default=(), json_schema_extra=NOT_IDENTITY)
    """Edits, by kind, that may empty more than half of the documents or more than 90 % of a source's, or take as much
    of the bytes that come to them (of `html` bytes are not judged: most are markup). Any other that does stops the
    stage, and says what it takes. What is accepted changes no text, so nothing is made again for it."""

    @model_validator(mode="after")
    def _accepts_edits_that_there_are(self) -> CleanConfig:
        kinds = dict.fromkeys(edit.kind for edit in self.edits)
        for name in self.accept_losses:
            if name not in kinds:
                raise ValueError(f"accept_losses names {name!r}, which is no edit of clean.edits: {', '.join(kinds)}.")
        return self
