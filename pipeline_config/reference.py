"""The configuration reference as Markdown: `python -m pipeline_config.reference > docs/configuration.md`."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline_config.described import REQUIRED, Group, Setting, described

HEAD = """\
# Configuration reference

Made from the classes in `pipeline_config/` by `python -m pipeline_config.reference`. A setting stands in the config
file, or on the command line as `section.setting=value`; `textmill validate --explain SECTION` shows the same on the
terminal. `*` stands for an entry of a list, on the command line counted from 0. Where there are several kinds, `kind`
chooses.
"""


def reference() -> str:
    return "\n".join([HEAD, *("\n".join([*_lines(group), ""]) for group in described())])


def _lines(group: Group) -> Iterator[str]:
    yield f"{'###' if '.' in group.place else '##'} {group.place}"
    yield f"\n{group.about}"
    if group.settings:
        kinds = any(setting.kind for setting in group.settings)
        heads = ["kind"] * kinds + ["setting", "type", "default", "meaning"]
        yield f"\n| {' | '.join(heads)} |"
        yield "|---" * len(heads) + "|"
        yield from (_row(setting, kinds) for setting in group.settings)


def _row(setting: Setting, kinds: bool) -> str:
    default = f"**{REQUIRED}**" if setting.default == REQUIRED else _code(setting.default)
    cells = [_code(setting.name), setting.type, default, setting.meaning]
    if kinds:
        cells.insert(0, "" if setting.name else _code(setting.kind))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _code(text: str) -> str:
    return text and f"`{text}`"


if __name__ == "__main__":
    print(reference(), end="")
