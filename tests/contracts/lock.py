"""What stands behind each stage's version: its code, the floors it imports, and every default of its config.

    python -m tests.contracts.lock                        after raising the version of the stages that changed
    python -m tests.contracts.lock --neutral STAGE …      the change of these stages cannot change a byte of a result

A stage's version is part of its fingerprint; source code and defaults are not. So a change of either must raise the
version, or be acknowledged as neutral. `stages.lock.json` remembers what was the case when that was last done.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined, to_jsonable_python

from pipeline_config.load import settings
from tasks.runtime.artifact import Artifact
from tasks.runtime.stage import Stage

ROOT = Path(__file__).parents[2]
LOCK = Path(__file__).with_name("stages.lock.json")


def stages() -> dict[str, Stage[Any, Any]]:
    found = {}
    for file in sorted((ROOT / "tasks").glob("*/stage.py")):
        if file.parent.name == "runtime":
            continue
        module = importlib.import_module(f"tasks.{file.parent.name}.stage")
        found |= {value.name: value for value in vars(module).values() if isinstance(value, Stage)}
    return found


def current() -> dict[str, Any]:
    return {
        name: {"version": stage.version, "defaults": defaults_digest(stage), "code": code_digests(stage)}
        for name, stage in sorted(stages().items())
    }


def recorded() -> dict[str, Any]:
    return json.loads(LOCK.read_text()) if LOCK.exists() else {}


def defaults_digest(stage: Stage[Any, Any]) -> str:
    """Over every setting of the stage's config and its default."""
    listed = {}
    for parameter in stage.signature.parameters:
        for section in _config_classes(stage.hints[parameter]):
            for name, field in settings(section).items():
                default = field.get_default(call_default_factory=True, validated_data={})
                value = "required" if default is PydanticUndefined else to_jsonable_python(default)
                listed[f"{section.__name__}.{name}"] = value
    return _digest(json.dumps(listed, sort_keys=True))


def _config_classes(hint: Any) -> Iterator[type[BaseModel]]:
    if isinstance(hint, type):
        if issubclass(hint, BaseModel) and not issubclass(hint, Artifact):
            yield hint
        return
    for inner in getattr(hint, "__args__", ()):
        yield from _config_classes(inner)


def code_digests(stage: Stage[Any, Any]) -> dict[str, str]:
    """The digest of each module that the stage's function leads to, comments and docstrings left out."""
    module = stage.function.__module__
    tree = _tree(module)
    (function,) = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == stage.function.__name__
    ]
    others = [node for node in tree.body if not isinstance(node, ast.FunctionDef) or not node.decorator_list]
    own = ast.Module(body=[*others, function], type_ignores=[])
    digests = {f"{module}:{function.name}": _digest(ast.dump(_bare(own)))}
    waiting = list(_imported(own))
    while waiting:
        name = waiting.pop()
        if name in digests or not _counts(name):
            continue
        digests[name] = _module_digest(name)
        waiting += _imported(_tree(name))
    return dict(sorted(digests.items()))


def _counts(module: str) -> bool:
    return module.startswith("tasks.") and not module.startswith("tasks.runtime")


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tasks"):
            yield node.module
            for alias in node.names:  # `from tasks.curation.rules import word_count`
                if _file(f"{node.module}.{alias.name}").exists():
                    yield f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("tasks"))


def _file(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_file(module).read_text(encoding="utf-8"))


@cache
def _module_digest(module: str) -> str:
    return _digest(ast.dump(_bare(_tree(module))))


def _bare(tree: ast.Module) -> ast.Module:
    """A copy without docstrings; comments are no part of a tree anyway."""
    copy = ast.parse(ast.unparse(tree))
    for node in ast.walk(copy):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            body = [
                part
                for part in node.body
                if not (
                    isinstance(part, ast.Expr)
                    and isinstance(part.value, ast.Constant)
                    and isinstance(part.value.value, str)
                )
            ]
            node.body = body or [ast.Pass()]
    return copy


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What changed of one stage, in words."""
    words = []
    if not old:
        return ["is new"]
    if old["defaults"] != new["defaults"]:
        words.append("defaults of its config")
    names = sorted(old["code"].keys() | new["code"].keys())
    return words + [name for name in names if old["code"].get(name) != new["code"].get(name)]


def main(arguments: list[str]) -> int:
    neutral = arguments[1:] if arguments[:1] == ["--neutral"] else []
    old, new, refused = recorded(), current(), []
    for name, entry in new.items():
        changed = changes(old.get(name, {}), entry)
        raised = name not in old or entry["version"] > old[name]["version"]
        if changed and not raised and name not in neutral:
            refused.append(f"{name} (version {entry['version']}): {', '.join(changed)}")
    if refused:
        print("These stages changed and their versions did not:", *refused, sep="\n  ")
        print(
            "Raise `version` in @stage where a result can change; else: python -m tests.contracts.lock --neutral STAGE"
        )
        return 1
    LOCK.write_text(json.dumps(new, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{LOCK.name} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
