"""A stage whose code or defaults changed must say so in its version, or the cache would serve stale artifacts."""

from __future__ import annotations

import pytest

from tests.contracts import lock

CURRENT = lock.current()


@pytest.mark.parametrize("name", sorted(CURRENT))
def test_the_version_covers_code_and_defaults(name: str) -> None:
    old, new = lock.recorded().get(name, {}), CURRENT[name]
    changed = lock.changes(old, new)
    assert not changed, (
        f"stage {name!r} changed: {', '.join(changed)}.\nRaise its version if a result can change, then run: "
        f"python -m tests.contracts.lock   (or, if no byte of a result can change: … --neutral {name})"
    )
    assert old["version"] == new["version"], f"python -m tests.contracts.lock   (stage {name!r} has a new version)"


def test_the_lock_knows_no_stage_that_is_gone() -> None:
    assert set(lock.recorded()) == set(CURRENT)


def test_comments_and_docstrings_do_not_count_but_code_does() -> None:
    import ast

    def digest(source: str) -> str:
        return lock._digest(ast.dump(lock._bare(ast.parse(source))))

    base = digest("def f(x):\n    return x + 1\n")
    assert digest('"""Doc."""\ndef f(x):\n    "doc"\n    # why\n    return x + 1\n') == base
    assert digest("def f(x):\n    return x + 2\n") != base
