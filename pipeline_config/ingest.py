"""What is read: raw domain text, general text, and labelled examples."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pipeline_config.base import NOT_IDENTITY, Section
from pipeline_config.clean import PiiConfig, SecretsConfig


def _texts(value: Any) -> Any:
    """One name may stand for a list of one; numbers of columns are names, too."""
    items = value if isinstance(value, list | tuple) else (value,)
    return tuple(str(item) if isinstance(item, int) else item for item in items)


Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
Name = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]


class AutoFormat(Section):
    """By suffix: .txt .md .html .htm .eml .mbox .jsonl .ndjson .json .csv .tsv (each also .gz or .zst), .parquet,
    .arrow; `save_to_disk` folders."""

    kind: Literal["auto"]


class PlainText(Section):
    """Plain text or Markdown, UTF-8."""

    kind: Literal["text"]
    unit: Literal["file", "paragraph", "line"] = "file"
    """What one document is; paragraphs are parted by empty lines."""


class Html(Section):
    """HTML pages, one a file, markup included: the edit `html` of `clean` takes it out."""

    kind: Literal["html"]


class Eml(Section):
    """Mail (RFC 5322), one a file. Columns: text, subject, from, date, message_id, attachments (left out; how many)."""

    kind: Literal["eml"]


class Mbox(Section):
    """Mails one after another in a file (RFC 4155). Columns as in `eml`."""

    kind: Literal["mbox"]


class FrontMatter(Section):
    """Text under YAML front matter (between two `---` lines), whose keys are columns; the column `text` is the rest."""

    kind: Literal["front_matter"]


class JsonLines(Section):
    """One JSON object (or one JSON string) a line."""

    kind: Literal["jsonl"]


class Json(Section):
    """JSON files, each read as a whole."""

    kind: Literal["json"]
    records: str = Field(default="", pattern=r"^(\[\*\]|\.{0,2}[^.\[\]]+)*$")
    """Path to the records: `key` or `a.b` descends, `[*]` takes every item of a list or value of an object, `..key`
    finds the key at any depth. Empty: the items if the file holds a list, else the file is one record. A record that
    is a string is its own text."""


class Csv(Section):
    """Delimited text (RFC 4180)."""

    kind: Literal["csv"]
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    """One character between columns."""
    quote: str = Field(default='"', max_length=1)
    """The quote character; empty: quotes are ordinary characters."""
    header: bool = True
    """Whether the first row names the columns; if not, they are called `1`, `2`, …"""


class Parquet(Section):
    """Parquet files."""

    kind: Literal["parquet"]


class Arrow(Section):
    """A Hugging Face dataset on disk (the folder that `save_to_disk` wrote), or Arrow stream files."""

    kind: Literal["arrow"]


ConcreteFormat = PlainText | FrontMatter | Html | Eml | Mbox | JsonLines | Json | Csv | Parquet | Arrow


def _by_kind(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


Format = Annotated[
    Annotated[AutoFormat | ConcreteFormat, Field(discriminator="kind")],
    BeforeValidator(_by_kind),
]


class Source(Section):
    """Files of one kind and where in them the text stands."""

    name: str = Field(min_length=1)
    """Names the source in every table and figure, and is part of the identity of its documents."""
    path: Annotated[Texts, Field(min_length=1, json_schema_extra=NOT_IDENTITY)]
    """A file, a folder, a glob (`data/**/*.txt`), `package:NAME/path` of an installed package, or a list of those;
    relative to the folder of the configuration."""
    exclude: Texts = Field(default=(), json_schema_extra=NOT_IDENTITY)
    """Globs of names of files to leave out. Hidden files are always left out."""
    format: Format = AutoFormat(kind="auto")
    """How the files are read; a bare name such as `csv` will do where there are no options."""
    text: Annotated[Texts, Field(min_length=1)] = ("text",)
    """The column of the text, or several, joined. In JSON a column may be a path such as `Remediation.Text`."""
    separator: str = "\n\n"
    """Stands between joined columns."""
    id: Texts = ()
    """The column of your own id (`external_id`), or several, joined by `/`; empty: none. Ids differ within a source."""
    metadata: Texts = ()
    """Columns to keep beside the text."""
    licence: str = Field(default="", json_schema_extra=NOT_IDENTITY)
    """Under which licence the texts may be used, such as `CC-BY-4.0`; shown with the source's figures. Empty: not
    stated. A statement about the texts, no part of them: changing it computes nothing anew."""
    max_record_bytes: int = Field(default=8 << 20, ge=1)
    """A longer line, row or text file is quarantined. Bytes."""


class TextConfig(Section):
    """Raw text without labels."""

    sources: tuple[Source, ...] = Field(min_length=1)
    """Where it comes from; each source has its own name."""
    sample: float = Field(default=1.0, gt=0, le=1)
    """Share of the documents to read on, chosen by their id, for a first look (`textmill run --sample 1%`). Duplicates
    are underestimated then: of a pair both are in a sample with the square of this share."""
    accept_losses: tuple[str, ...] = Field(default=(), json_schema_extra=NOT_IDENTITY)
    """Names of sources of which any number of records may be quarantined. If of the others together more than half are,
    or of one of them more than 90 %, the stage stops, and says why they are. What is accepted changes no text."""

    @model_validator(mode="after")
    def _names_fit(self) -> TextConfig:
        _refuse_equal_names(self.sources)
        names = [source.name for source in self.sources]
        for name in self.accept_losses:
            if name not in names:
                raise ValueError(f"accept_losses names {name!r}, which is no source here: {', '.join(names)}.")
        return self


class LabelSource(Source):
    """Files of labelled examples."""

    label: Name = "label"
    """The column of the label."""
    group: Name = ""
    """A column whose equal values must not be parted by the split (a family, a customer, a document); empty: none."""
    group_pattern: str = ""
    """A regular expression: what it first finds in the group's value is the group, such as `^[^-]+` for the family of
    `gpl-2.0`; empty: the whole value. Where it finds nothing, the whole value."""
    split_column: Name = ""
    """A column that says train, validation or test; empty: none."""
    split: Literal["train", "validation", "test"] | None = None
    """The split that this whole source belongs to."""


class MadeSplit(Section):
    """Stratified by label and grouped: what resembles one another stays together."""

    kind: Literal["made"]
    validation: float = Field(default=0.1, gt=0, lt=1)
    """Share of the examples."""
    test: float = Field(default=0.2, gt=0, lt=1)
    """Share of the examples."""

    @model_validator(mode="after")
    def _leaves_training(self) -> MadeSplit:
        if self.validation + self.test >= 1:
            raise ValueError(f"validation={self.validation} and test={self.test} leave nothing for training.")
        return self


class GivenSplit(Section):
    """As the data say, by `split_column` or by the `split` of each source."""

    kind: Literal["given"]
    validation: float = Field(default=0.1, gt=0, lt=1)
    """Share of the training examples to validate on where the data hold no validation examples."""


Redaction = Annotated[PiiConfig | SecretsConfig, Field(discriminator="kind")]


class LabelsConfig(Section):
    """Labelled examples: one text, one label."""

    sources: tuple[LabelSource, ...] = Field(min_length=1)
    """Where they come from."""
    label_list: Literal["refuse", "single"] = "refuse"
    """A label that is a list: a malformed row, or (`single`) its one entry; then rows with none or several entries
    count as unlabelled."""
    markup: Literal["none", "html", "markdown"] = "none"
    """Markup to take out of the texts."""
    redact: tuple[Redaction, ...] = ()
    """Edits `pii` and `secrets` as in `clean.edits`, which are for the corpus alone: labelled texts are edited by those
    that stand here. (Their `sources` do not count.)"""
    keep: Texts = ()
    """Use these labels only; empty: all."""
    drop: Texts = ()
    """Labels to leave out."""
    min_label_count: int = Field(default=1, ge=1)
    """Labels with fewer examples are left out."""
    group_jaccard: float = Field(default=0.5, gt=0, le=1)
    """Texts whose sets of word 5-grams have at least this Jaccard similarity are near-duplicates: one group."""
    split: Annotated[MadeSplit | GivenSplit, Field(discriminator="kind")] = MadeSplit(kind="made")
    """Where training, validation and test examples come from."""
    max_train_examples: int | None = Field(default=None, ge=1)
    """Use at most so many training examples, drawn by label; the rest is left unused."""
    seed: int = Field(default=42, ge=0)
    """Of the split and of the draw."""

    @model_validator(mode="after")
    def _fits(self) -> LabelsConfig:
        _refuse_equal_names(self.sources)
        both = sorted(set(self.keep) & set(self.drop))
        if both:
            raise ValueError(f"keep and drop both name {both}.")
        for source in self.sources:
            _refuse_pattern(source)
            told = bool(source.split_column) + (source.split is not None)
            if told != (1 if self.split.kind == "given" else 0):
                raise ValueError(
                    f"source {source.name!r}: with split.kind={self.split.kind!r} expected "
                    + ("either split_column or split" if self.split.kind == "given" else "no split_column and no split")
                    + f", got split_column={source.split_column!r} and split={source.split!r}."
                )
        return self


class IngestSection(Section):
    """What comes in; each part is a node of the road."""

    corpus: TextConfig
    """Raw text of the domain."""
    labels: LabelsConfig
    """Labelled examples of the task."""
    benchmarks: TextConfig | None = None
    """Texts that models will be judged on elsewhere: select leaves what holds one of them out of the corpus, as it does
    with labelled validation and test texts. Map every field of a record into its text: a long one leaks by itself, too
    (docs/curation-dedup.md). Null: none."""
    general: TextConfig | None = None
    """Text of no particular domain: what the model forgets is measured on it. Null: that is not measured."""


def _refuse_pattern(source: LabelSource) -> None:
    if source.group_pattern and not source.group:
        raise ValueError(f"source {source.name!r}: group_pattern={source.group_pattern!r} needs a column: set group.")
    try:
        re.compile(source.group_pattern)
    except re.error as error:
        raise ValueError(
            f"source {source.name!r}: group_pattern={source.group_pattern!r} is no regular expression: {error}."
        ) from None


def _refuse_equal_names(sources: tuple[Source, ...]) -> None:
    names = [source.name for source in sources]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"sources need names of their own; {', '.join(map(repr, repeated))} stands more than once.")
