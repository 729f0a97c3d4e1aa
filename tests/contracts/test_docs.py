"""What README and docs say is so: commands parse, settings exist, files of configuration load, links lead somewhere."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from flows.__main__ import COMMANDS, main, make_parser
from flows.commands.init import OWN_DATA
from pipeline_config.load import PRESETS, _merged, load, preset_names, settings
from pipeline_config.pipeline import PipelineConfig
from pipeline_config.reference import reference
from tests.contracts.markdown import PAGES, ROOT, blocks

SOURCE = ("flows", "tasks", "pipeline_config")
YAML = [block for page in PAGES for block in blocks(page, "yaml") if not page.name.startswith("add-")]


def commands(page: Path) -> Iterator[list[str]]:
    """The whole `textmill` commands of a page's shell blocks, as words."""
    for block in blocks(page, "sh"):
        for line in block.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["textmill"]:
                yield words[1:]


def inline(page: Path) -> list[str]:
    """What stands in backticks outside of blocks."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", text)


def verbs(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    (action,) = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    return dict(action.choices)


# --- the command line ---


def test_every_command_of_the_docs_is_one() -> None:
    found = [words for page in PAGES for words in commands(page)]
    assert {"plan", "run", "show", "predict", "promote", "rollback", "init", "validate"} <= {one[0] for one in found}
    for words in found:
        make_parser().parse_args(words)


def test_every_verb_and_option_in_running_text_exists() -> None:
    known = verbs(make_parser())
    for page in PAGES:
        for text in inline(page):
            if not text.startswith("textmill "):
                continue
            verb, *words = text.split()[1:]
            if verb == "COMMAND":
                continue
            assert verb in known, f"{page.name}: {text}"
            for option in (word.partition("=")[0] for word in words if word.startswith("--")):
                assert option in known[verb]._option_string_actions, f"{page.name}: {text}"


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("verb", ["", *COMMANDS])
def test_help_fits_a_screen_and_shows_examples(verb: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    parser = make_parser()
    lines = (verbs(parser)[verb] if verb else parser).format_help().splitlines()
    assert len(lines) <= 36
    examples = [line for line in lines if line.startswith(f"  textmill {verb}".rstrip())]
    assert examples
    assert max(map(len, examples)) <= 100
    assert max(len(line) for line in lines if line not in examples) <= width
    for example in examples:
        make_parser().parse_args(shlex.split(re.split(r"\s{3,}", example.strip())[0])[1:])


def test_make_targets_and_variables_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    known = set(re.findall(r"^(\w+):", makefile, re.MULTILINE)) | set(re.findall(r"^(\w+) \?=", makefile, re.MULTILINE))
    for page in PAGES:
        for target, variable in re.findall(r"\bmake (\w+)(?: ([A-Z]+)=)?", page.read_text(encoding="utf-8")):
            if re.search(rf"`make {target}|^(    )?make {target}", page.read_text(encoding="utf-8"), re.MULTILINE):
                assert {target, variable} - {""} <= known, f"{page.name}: make {target} {variable}"


# --- the configuration ---


def test_the_reference_is_current() -> None:
    assert (ROOT / "docs/configuration.md").read_text(encoding="utf-8") == reference(), (
        "python -m pipeline_config.reference > docs/configuration.md"
    )


@pytest.mark.parametrize("block", YAML, ids=str)
def test_every_configuration_of_the_docs_loads(block, tmp_path: Path) -> None:
    shown = yaml.safe_load(block.text)
    whole = shown if "model" in shown else _merged(yaml.safe_load(OWN_DATA.format(name="mine")), shown)
    file = tmp_path / "textmill.yaml"
    file.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
    assert load(file).model.name


def test_ten_lines_are_a_road(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The example of the README, with data as it says, is planned from end to end."""
    (block,) = blocks(ROOT / "README.md", "yaml")
    assert len([line for line in block.text.splitlines() if not line.startswith("#")]) <= 10
    (tmp_path / "textmill.yaml").write_text(block.text, encoding="utf-8")
    (tmp_path / "data/handbook").mkdir(parents=True)
    (tmp_path / "data/handbook/one.md").write_text("How to reset a password: open the settings.\n")
    rows = [f"s{n},the body of ticket {n},{('billing', 'access')[n % 2]}" for n in range(20)]
    (tmp_path / "data/tickets.csv").write_text("\n".join(["subject,body,queue", *rows]))
    assert main(["plan", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "finetune.adapted.s44" in out
    assert "evaluate" in out


def test_settings_in_running_text_exist() -> None:
    known = set(settings(PipelineConfig))
    for page in PAGES:
        for text in inline(page):
            name = re.match(rf"({'|'.join(PipelineConfig.model_fields)})(\.[a-z_]+)+(?=:|$)", text)
            if name and not text.endswith((".md", ".py", ".txt", ".onnx")):
                assert name.group() in known, f"{page.name}: {text}"


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_starts_a_workspace(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (PRESETS / f"{name}.yaml").read_text(encoding="utf-8").startswith("# ")
    folder = tmp_path / "workspace"
    assert main(["init", str(folder), "--preset", name]) == 0
    assert main(["validate", str(folder)]) == 0
    assert "model:" in capsys.readouterr().out
    assert main(["init", str(folder), "--preset", name]) == 2
    assert "exists and is not overwritten" in capsys.readouterr().err


def test_a_workspace_of_ones_own_starts_valid(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path / "mine")]) == 0
    assert main(["validate", str(tmp_path / "mine")]) == 0
    assert len((tmp_path / "mine/textmill.yaml").read_text().splitlines()) <= 60


@pytest.mark.parametrize("section", PipelineConfig.model_fields)
def test_sections_are_explained(section: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--explain", section]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == section
    assert max(map(len, lines)) <= 100


# --- pages and files ---


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_pictures_are_small_shown_and_described() -> None:
    shown = {
        (page.parent / target).resolve(): words
        for page in PAGES
        for words, target in re.findall(r"!\[(.*?)\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    }
    assert set(shown) == set((ROOT / "docs/pictures").glob("*"))
    for file, words in shown.items():
        assert file.stat().st_size <= 80_000, file
        assert len(words.split()) >= 4, file


def test_folders_in_the_readme_exist() -> None:
    for text in inline(ROOT / "README.md"):
        if re.fullmatch(r"[\w./]+/|(infra|docs|flows)/[\w.]+", text) and text != "demo/":
            assert any(path.exists() for path in (ROOT / text, ROOT / "pipeline_config" / text)), text


def test_refusals_in_the_docs_are_those_of_the_code() -> None:
    """Every sentence of the table stands in the source, up to what depends on the data."""
    code = "\n".join(file.read_text(encoding="utf-8") for folder in SOURCE for file in (ROOT / folder).rglob("*.py"))
    code = re.sub(r"\{[^{}]*\}", "…", re.sub(r'"\s*\n\s*(\+ )?f?"', "", code)).replace("'", "").replace('"', "")
    table = (ROOT / "docs/own-data.md").read_text(encoding="utf-8").partition("## What is refused")[2]
    sentences = [
        text for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for text in re.findall("`(.*?)`", row)
    ]
    assert len(sentences) > 15
    for sentence in sentences:
        for part in re.split(r"…|\bN\b", sentence):
            assert part.strip(" ,;:.?") in code, f"{sentence!r}: {part!r} is said nowhere"


def test_no_file_names_a_place_of_one_machine_or_a_registry() -> None:
    places = re.compile(r"(?<![\w.}~/-])/(work|opt|root|home)\b(?!\s*\{)")
    hosts = re.compile(r"pypi\.org|pythonhosted\.org|huggingface\.co/[\w-]+/[\w-]+/resolve|download\.pytorch\.org")
    files = [ROOT / name for name in ("README.md", "Makefile", "pyproject.toml", ".ci/run")]
    for folder in (*SOURCE, "docs", "infra", "notebooks", "tests", "benchmarks"):
        files += [file for file in (ROOT / folder).rglob("*.*") if file.is_file() and "__pycache__" not in file.parts]
    for file in files:
        if file.name == Path(__file__).name or file.suffix == ".png":
            continue
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            assert not places.search(line), f"{file}:{number}: {line}"
            assert not hosts.search(line), f"{file}:{number}: {line}"
