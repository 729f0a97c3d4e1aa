"""Paths, globs and packages become files with stable names."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pytest
from pydantic import ValidationError

from pipeline_config.ingest import Source, TextConfig
from tasks.ingest.resolve import resolve
from tasks.runtime.errors import RefusedInput
from tests.ingest.sources import files_for, hashed, labels_config, text_config


def names(path: str | tuple[str, ...], workspace: Path, **options: Any) -> list[str]:
    return [file.name for file in files_for(text_config(path, **options), workspace).files]


@pytest.fixture
def tree(put: Any, tmp_path: Path) -> Path:
    for name in ("d/b.txt", "d/a.md", "d/e/c.txt", "d/e/f/c.txt", "d/.hidden.txt", "d/._mac.txt", "d/.git/x.txt"):
        put(name, name)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("d", ["d/a.md", "d/b.txt", "d/e/c.txt", "d/e/f/c.txt"]),
        ("d/*.txt", ["d/b.txt"]),
        ("d/**/*.txt", ["d/b.txt", "d/e/c.txt", "d/e/f/c.txt"]),
        ("d/*/c.txt", ["d/e/c.txt"]),
        ("d/**", ["d/a.md", "d/b.txt", "d/e/c.txt", "d/e/f/c.txt"]),
        ("d/[!a].txt", ["d/b.txt"]),
        ("d/?.md", ["d/a.md"]),
        ("d/e/**/f/*.txt", ["d/e/f/c.txt"]),
        (("d/b.txt", "d/*.txt", "d/a.md"), ["d/a.md", "d/b.txt"]),
        ("d/.hidden.txt", ["d/.hidden.txt"]),
    ],
)
def test_names_are_relative_and_sorted(tree: Path, path: Any, expected: list[str]) -> None:
    assert names(path, tree) == expected


def test_a_glob_finds_what_pathlib_finds() -> None:
    root = Path(__file__).parents[2]
    for pattern in ("tasks/**/*.py", "tasks/*/*.py", "t*/**/re*d.py", "**/base.py"):
        if pattern.startswith("**"):
            continue
        found = {file.name for file in resolve("n", text_config(pattern, format="text").sources, root, hashed).files}
        assert found == {path.relative_to(root).as_posix() for path in root.glob(pattern)}


def test_exclude_and_outside_of_the_workspace(tree: Path) -> None:
    assert names("d", tree, exclude=("*.md", "d/e/*")) == ["d/b.txt"]
    elsewhere = tree / "workspace"
    elsewhere.mkdir()
    assert names(str(tree / "d" / "*.txt"), elsewhere) == ["d/b.txt"]
    assert names(str(tree / "d" / "b.txt"), elsewhere) == ["b.txt"]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (("a/t.csv", "b/t.csv"), ["a/t.csv", "b/t.csv"]),
        (("b/t.csv", "a/t.csv"), ["a/t.csv", "b/t.csv"]),
        (("a/in", "b/in"), ["a/in/t.csv", "b/in/t.csv"]),  # two folders of one name
        (("a/in/*.csv", "b/in/*.csv"), ["a/in/t.csv", "b/in/t.csv"]),
        (("a/t.csv", "a/u.csv"), ["t.csv", "u.csv"]),
        (("a/t.csv", "a/t.csv"), ["t.csv"]),
        (("a/in", "b/t.csv"), ["in/t.csv", "t.csv"]),
    ],
)
@pytest.mark.parametrize("where", ["data", "some/where/else"])
def test_files_of_one_name_outside_of_the_workspace_are_all_kept(
    put: Any, tmp_path: Path, where: str, paths: tuple[str, ...], expected: list[str]
) -> None:
    for name in ("a/t.csv", "b/t.csv", "a/u.csv", "a/in/t.csv", "b/in/t.csv"):
        put(f"{where}/{name}", name)
    workspace = tmp_path / "workspace"
    config = text_config(tuple(str(tmp_path / where / path) for path in paths))
    files = files_for(config, workspace).files
    assert [file.name for file in files] == expected
    assert len({file.path for file in files}) == len(expected)


def test_a_name_in_the_workspace_stays_and_one_outside_grows(put: Any, tmp_path: Path) -> None:
    put("workspace/t.csv", "in")
    put("data/t.csv", "out")
    config = text_config((str(tmp_path / "data/t.csv"), "t.csv"))
    assert [file.name for file in files_for(config, tmp_path / "workspace").files] == ["data/t.csv", "t.csv"]


def test_two_files_that_must_have_one_name_are_refused(put: Any, tmp_path: Path) -> None:
    outside = put("data/t.csv", "out")
    inside = put(f"workspace/{(tmp_path / 'data/t.csv').relative_to('/')}", "in")
    # Whatever is put before the outer file's name: the workspace has a file of that name, too.
    for parts in range(1, len(outside.parts) - 1):
        put(f"workspace/{'/'.join(outside.parts[-parts:])}", "in")
    config = text_config((str(outside), "**/t.csv"))
    with pytest.raises(RefusedInput) as raised:
        files_for(config, tmp_path / "workspace")
    assert str(outside) in str(raised.value)
    assert str(inside) in str(raised.value)


def test_fingerprint_is_over_source_name_and_bytes(tree: Path) -> None:
    files = files_for(text_config("d/b.txt"), tree)
    [file] = files.files
    assert file.sha256 == hashlib.sha256(b"d/b.txt").hexdigest()
    assert (file.size, files.sources, files.node, files.digest) == (
        len("d/b.txt"),
        ("docs",),
        "files:ingest.test",
        files.fingerprint,
    )
    (tree / "d/b.txt").write_text("changed")
    assert files_for(text_config("d/b.txt"), tree).fingerprint != files.fingerprint


def test_a_dataset_on_disk_is_its_data_files(tmp_path: Path) -> None:
    datasets.DatasetDict({"train": datasets.Dataset.from_dict({"text": ["a"]})}).save_to_disk(str(tmp_path / "hf"))
    assert names("hf", tmp_path) == ["hf/train/data-00000-of-00001.arrow"]
    (tmp_path / "hf/train/data-00000-of-00001.arrow").unlink()
    with pytest.raises(RefusedInput, match=r"is missing: state\.json"):
        names("hf", tmp_path)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gone.txt", r"'gone.txt' \(source 'docs'\): there is no such file"),
        ("gone/*.txt", "no such file"),
        ("package:no_such_package/x.json", "package 'no_such_package' .* is not installed"),
        ("package:pydantic/no/such.json", "no such file"),
        ("a.pdf", r"suffix '.pdf' names no format; .* exclude: \['\*.pdf'\]"),
        (".", "suffix '.pdf'"),
    ],
)
def test_refused_with_a_remedy(put: Any, tmp_path: Path, path: str, message: str) -> None:
    put("a.pdf", "%PDF")
    with pytest.raises(RefusedInput, match=message):
        names(path, tmp_path)


@pytest.mark.parametrize("path", ["d", "d/**", "d/**/*.txt", "d/**/e/*.txt"])
@pytest.mark.parametrize("target", ["..", ".", "../..", "e"])
def test_a_link_to_a_folder_around_it_leads_nowhere(put: Any, tmp_path: Path, path: str, target: str) -> None:
    put("d/e/a.txt", "a")
    (tmp_path / "d/e/loop").symlink_to(target if target != "e" else tmp_path / "d/e")
    assert names(path, tmp_path) == ["d/e/a.txt"]


def test_links_that_lead_round_in_a_circle_end(put: Any, tmp_path: Path) -> None:
    put("d/one/a.txt", "a")
    put("d/two/b.txt", "b")
    (tmp_path / "d/one/to").symlink_to("../two")
    (tmp_path / "d/two/to").symlink_to("../one")
    assert names("d", tmp_path) == ["d/one/a.txt", "d/two/b.txt"]
    assert names("d/one", tmp_path) == ["d/one/a.txt", "d/one/to/b.txt"]


def test_a_linked_folder_elsewhere_is_followed(put: Any, tmp_path: Path) -> None:
    put("elsewhere/deep/a.txt", "a")
    put("workspace/d/b.txt", "b")
    (tmp_path / "workspace/d/link").symlink_to(tmp_path / "elsewhere")
    assert names("d", tmp_path / "workspace") == ["d/b.txt", "d/link/deep/a.txt"]
    assert names("d/**/*.txt", tmp_path / "workspace") == ["d/b.txt", "d/link/deep/a.txt"]
    assert names("d/link/*/*.txt", tmp_path / "workspace") == ["d/link/deep/a.txt"]


@pytest.mark.parametrize("path", ["d", "d/*", ("d/z.txt", "d/a.txt"), ("d/a.txt", "d/z.txt"), ("d", "b.txt", "more")])
def test_a_file_of_several_names_is_read_once_under_its_own(put: Any, tmp_path: Path, path: Any) -> None:
    put("d/z.txt", "z")
    (tmp_path / "d/a.txt").symlink_to("z.txt")
    (tmp_path / "b.txt").symlink_to("d/a.txt")
    (tmp_path / "more").symlink_to("d")
    assert names(path, tmp_path) == ["d/z.txt"]
    assert names(("b.txt", "d/a.txt"), tmp_path) == ["b.txt"]
    # The workspace may itself be a link.
    (tmp_path / "d/work").symlink_to(tmp_path)
    assert names("d/z.txt", tmp_path / "d/work") == ["d/z.txt"]


def test_two_files_of_one_content_stay_two(put: Any, tmp_path: Path) -> None:
    one = put("d/a.txt", "same")
    put("d/b.txt", "same")
    (tmp_path / "d/c.txt").hardlink_to(one)  # a copy elsewhere would be a file of its own
    assert names("d", tmp_path) == ["d/a.txt", "d/b.txt", "d/c.txt"]


LATIN_1 = "café.jsonl".encode("latin-1").decode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("name", "shown", "pattern"),
    [
        (f"d/{LATIN_1}", r"d/caf\xe9.jsonl", "d/caf?.jsonl"),
        (f"d/{LATIN_1}/[a].txt", r"d/caf\xe9.jsonl/[a].txt", "d/caf?.jsonl/[[]a].txt"),
    ],
    ids=["file", "folder"],
)
def test_a_name_that_is_not_utf_8_is_refused_unless_it_is_excluded(
    put: Any, tmp_path: Path, name: str, shown: str, pattern: str
) -> None:
    put("d/ok.txt", "fine")
    put(name, "content")
    for path in ("d", "d/**", str(tmp_path / "d")):
        with pytest.raises(RefusedInput) as refused:
            names(path, tmp_path)
        assert str(refused.value) == (
            f"{shown} (source 'docs'): its name is not valid UTF-8. Rename it, or leave it out: exclude: ['{pattern}']."
        )
        assert names(path, tmp_path, exclude=(pattern,)) == ["d/ok.txt"]
    put(f"{name}.txt", "another")
    with pytest.raises(RefusedInput, match=r"not valid UTF-8 \(so are those of 1 other files\)"):
        names("d", tmp_path)


def test_a_package_is_found_and_never_imported() -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom pipeline_config.ingest import Source\n"
        "from tasks.ingest.resolve import resolve\n"
        "s = Source(name='s', path='package:sklearn/datasets/data/*.csv')\n"
        "print([f.name for f in resolve('n', (s,), Path('.'), lambda p: ('0', 1)).files][0])\n"
        "print([m for m in ('sklearn', 'numpy', 'pyarrow', 'torch', 'prefect', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.splitlines() == ["package:sklearn/datasets/data/breast_cancer.csv", "[]"]


def test_configuration_that_contradicts_itself_is_refused() -> None:
    source = Source(name="s", path="a.txt")
    with pytest.raises(ValidationError, match="'s' stands more than once"):
        TextConfig(sources=(source, source))
    with pytest.raises(ValidationError, match="accept_losses names 't', which is no source here: s"):
        TextConfig(sources=(source,), accept_losses=("t",))
    with pytest.raises(ValidationError, match="either split_column or split"):
        labels_config("a.csv", split={"kind": "given"})
    with pytest.raises(ValidationError, match="no split_column"):
        labels_config("a.csv", source={"split": "test"})
    with pytest.raises(ValidationError, match="leave nothing for training"):
        labels_config("a.csv", split={"kind": "made", "validation": 0.5, "test": 0.5})
    with pytest.raises(ValidationError, match="keep and drop both name"):
        labels_config("a.csv", keep="x", drop="x")


def test_short_forms_of_the_configuration() -> None:
    source = Source.model_validate({"name": "s", "path": ["a", "b"], "format": "csv", "text": 3, "id": "key"})
    assert (source.path, source.format.kind, source.text, source.id) == (("a", "b"), "csv", ("3",), ("key",))
    assert Source.model_validate(source.model_dump(mode="json")) == source
