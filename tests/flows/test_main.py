"""What the program says of itself, and what `make test` leaves behind."""

from __future__ import annotations

import argparse
import re
import subprocess
from pathlib import Path

import pytest

from flows.__main__ import STOPPED, _folded, main, make_parser
from flows.commands.run import _share

ROOT = Path(__file__).parents[2]


def test_help_names_every_exit_code() -> None:
    listed = make_parser().format_help().partition("exit codes:")[2].partition("examples:")[0]
    assert {int(code) for code in re.findall(r"\b\d+\b", listed)} == {0, 1, 2, 3, STOPPED}


def test_two_calls_of_make_test_share_no_folder() -> None:
    """Told by what make would run, with the number that the shell puts in."""
    command = ["make", "--dry-run", "--always-make", "test"]
    recipe = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folder = re.search(r"^folder=(\S+);", recipe, re.MULTILINE)
    assert folder is not None
    assert "--basetemp=$folder" in recipe
    made = [
        subprocess.run(["sh", "-c", f"echo {folder[1]}"], capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    ]
    assert made[0] != made[1]
    assert all(name.startswith("build/pytest/") for name in made)
    ignored = subprocess.run(["git", "check-ignore", *made], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ignored.returncode in (0, 128)  # 128: no clone, so nothing to be ignored by


def test_an_unknown_option_is_told_with_the_usage_of_its_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["plan", "--onlyy", "select"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("usage: textmill plan ")
    assert "textmill plan: error: unrecognized arguments: --onlyy" in said


@pytest.mark.parametrize(
    ("words", "items"),
    [
        (["run", ".", "--until", "select", "a.b=1", "--json", "c=2"], [".", "a.b=1", "c=2"]),
        (["plan", ".", "--json", "a.b=1"], [".", "a.b=1"]),
        (["validate", "--section", "clean", "textmill.yaml", "--json", "a.b=1"], ["textmill.yaml", "a.b=1"]),
        (["select", "what-if", "a.b=1", "--examples", "2", "shop"], ["a.b=1", "shop"]),
        (["promote", "shop", "3", "--override", "agreed", "a.b=1"], ["a.b=1"]),
    ],
)
def test_settings_may_stand_behind_options(words: list[str], items: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[argparse.Namespace] = []
    monkeypatch.setattr(f"flows.commands.{words[0]}.run", lambda args: seen.append(args) or 0)
    assert main(words) == 0
    assert seen[0].items == items


def test_a_word_too_many_is_refused_by_a_verb_without_settings(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["rollback", "shop", "--json", "more"], ["run", ".", "--json", "a=1", "--onlyy", "select"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
        assert "unrecognized arguments: " in capsys.readouterr().err


def test_refusals_are_folded_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    command = "textmill run a/rather/long/path/to/textmill.yaml finetune.learning_rate=3e-5 --until ingest.labels"
    sentence = f"textmill: {'/'.join(['folder'] * 6)}: {'cannot be used as it stands, ' * 6}so do this: {command}"
    message = f"{sentence}\n  Nodes: {'node, ' * 30}"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    for width in (60, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = _folded(message).splitlines()
        assert [line for line in lines if len(line) > min(width, 100)] in ([], [f"  {command}"])
        assert f"  {command}" in lines
        assert " ".join(" ".join(lines).split()) == " ".join(message.split())
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    assert _folded(message) == message


def test_a_typo_in_a_selection_is_told_before_missing_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "textmill.yaml"
    file.write_text(
        "model: {name: shop}\ningest: {corpus: {sources: [{name: a, path: gone.txt}]}, "
        "labels: {sources: [{name: b, path: gone.csv}]}}\n"
    )
    for arguments in (["run", "--only", "finetun"], ["run", "--until", "finetun"], ["plan", "--force", "finetun"]):
        assert main([arguments[0], str(file), *arguments[1:]]) == 2
        assert "'finetun' is no stage or node of this road. Did you mean 'finetune'?" in capsys.readouterr().err
    assert main(["run", str(file)]) == 2
    assert "gone.txt" in capsys.readouterr().err


def test_a_name_steers_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "artifacts" / "a\x1b[31mb" / "f").mkdir(parents=True)
    assert main(["clean", "--workspace", str(tmp_path)]) == 0
    assert main(["clean", "--yes", "--workspace", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "a[U+001B][31mb" in said
    assert "\x1b" not in said


@pytest.mark.parametrize(("said", "share"), [("1%", 0.01), ("0.05", 0.05), ("100%", 1.0), ("2.5%", 0.025)])
def test_a_sample_is_a_share(said: str, share: float) -> None:
    assert _share(said) == pytest.approx(share)


@pytest.mark.parametrize("said", ["0", "0%", "2", "101%", "-1%", "one", "1%%", "1 % of it", "nan"])
def test_what_is_no_share_is_refused(said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", f"--sample={said}"]) == 2
    assert f"--sample {said}: expected a share" in capsys.readouterr().err
