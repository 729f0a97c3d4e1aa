"""The registry under two people at once, on a full disk, and with a database that another process has locked."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from flows.__main__ import main
from pipeline_config.promotion import PromotionConfig
from tasks.promotion.journal import read_ledger
from tasks.promotion.promote import Promotion, register_and_promote
from tasks.runtime.errors import StageFailed
from tasks.runtime.registry import Registry
from tasks.runtime.store import Execution, Store
from tests.e2e.test_disks import filled, remount
from tests.e2e.workspace import Textmill
from tests.promotion.shop import Shop

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
YAML = "preset: cloud-security\nmodel: {name: m}\n"


def run(shop: Shop) -> Promotion:
    """What a road does at its end."""
    return register_and_promote(
        Registry(shop.workspace),
        model="m",
        config=PromotionConfig(),
        evaluation=shop.evaluation,
        models=shop.models,
        compressed=shop.compressed,
        checkpoint=shop.checkpoint,
        run_ids={},
    )


def test_two_people_promote_at_once(shop: Shop, tmp_path: Path) -> None:
    """Whoever comes second finds what the first has done: the ledger is one chain, and the aliases its end."""
    run(shop)
    (shop.workspace.root / "textmill.yaml").write_text(YAML)
    textmill = Textmill(shop.workspace.root, {"TEXTMILL_LEASES": str(tmp_path / "leases")})
    people = [textmill.start("promote", "m", version) for version in ("1", "2")]
    for person in people:
        out, err = person.communicate(timeout=300)
        assert (person.returncode, err) == (0, ""), out + err
    entries = read_ledger(shop.workspace.ledger)
    assert [entry.action for entry in entries] == ["promote"] * 3
    assert {entry.after.champion for entry in entries[1:]} == {1, 2}
    for before, after in pairwise(entries):
        assert after.before == before.after
    last = entries[-1].after
    assert last.previous == entries[-2].after.champion
    found = Registry(shop.workspace).aliases("m")
    assert (found["champion"], found["previous"]) == (last.champion, last.previous)
    assert not (shop.workspace.root / "ledger.pending.json").exists()


# --- full disks ---


@pytest.fixture
def small(shop: Shop) -> Iterator[Path]:
    """The workspace of the shop, on a disk of 20 MB."""
    if os.getuid() != 0:
        pytest.skip("mounts a file system")
    root = shop.workspace.root
    kept = shutil.move(root, root.with_name("kept"))
    root.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(root)]
    mount = subprocess.run(options, capture_output=True, text=True)
    if mount.returncode:
        pytest.skip(f"this machine lets nobody mount: {mount.stderr.strip()}")
    try:
        shutil.copytree(kept, root, dirs_exist_ok=True)
        yield root
    finally:
        subprocess.run(["umount", "--lazy", root], check=True)


@pytest.mark.needs_root
def test_a_disk_that_is_full_while_versions_are_copied(shop: Shop, small: Path) -> None:
    """Wherever it fills up, nobody is promoted by half, and the next run with room completes it."""
    told = []
    for leave in range(0, 6_000_000, 150_000):
        with filled(small, leave):
            try:
                run(shop)
            except (OSError, StageFailed) as error:
                told.append(str(error))
            else:
                break
    assert len(told) >= 3
    assert all("No space left" in one or "is full" in one for one in told), told
    outcome = run(shop)
    assert outcome.champion == outcome.candidate
    registry = Registry(shop.workspace)
    for version in registry.versions("m"):
        assert registry.damage(version) == (), version
    assert len({(one.variant, one.digest) for one in registry.versions("m")}) == len(registry.versions("m"))
    assert registry.aliases("m") == {"challenger": outcome.candidate, "champion": outcome.candidate}
    assert [entry.action for entry in read_ledger(shop.workspace.ledger)] == ["promote"]
    assert list(small.glob(".registering-*")) == []


@pytest.mark.needs_root
def test_a_disk_that_is_full_while_an_artifact_is_published(shop: Shop, small: Path) -> None:
    """Half an artifact never stands in its place: the old one is there, or the new one, or none."""
    store, old = Store(shop.workspace), shop.checkpoint
    work = shop.workspace.work("pretrain", old.fingerprint) / "out"
    shutil.copytree(old.path, work)
    shutil.rmtree(old.path)
    made = old.model_copy(update={"path": work})
    execution = Execution(curves={"loss": [(step, 0.5) for step in range(100_000)]})
    with filled(small, 20_000), pytest.raises(OSError, match="No space left"):
        store.publish(made, execution)
    assert store.verify(old.path, afresh=True) == (None, "missing")
    published, _ = store.publish(made, execution)
    assert store.verify(published.path, afresh=True)[1] == ""
    remount(small, "ro")
    assert store.verify(published.path, afresh=True)[1] == ""


# --- a locked database ---


@contextmanager
def locked(database: Path) -> Iterator[sqlite3.Connection]:
    """As another process holds it that writes for long."""
    with closing(sqlite3.connect(database, isolation_level=None, check_same_thread=False)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield connection


def test_a_database_that_is_locked_for_seconds_is_waited_for(shop: Shop) -> None:
    with locked(shop.workspace.root / "mlflow.db") as connection:
        free = threading.Timer(12, lambda: connection.execute("ROLLBACK"))
        free.start()
        began = time.monotonic()
        try:
            assert run(shop).promoted
        finally:
            free.join()
        assert time.monotonic() - began >= 11


def test_a_database_that_stays_locked_is_told(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    run(shop)
    root = shop.workspace.root
    (root / "textmill.yaml").write_text(YAML)
    ledger = (root / "ledger.jsonl").read_text()
    with locked(root / "mlflow.db"):
        began = time.monotonic()
        assert main(["rollback", "m", "--workspace", str(root)]) == 1
        told = capsys.readouterr().err
        assert "database is locked" in told
        assert "the same command goes on" in told
        assert time.monotonic() - began < 120
    assert (root / "ledger.jsonl").read_text() == ledger
    assert main(["rollback", "m", "--workspace", str(root)]) == 0
    assert json.loads((root / "ledger.jsonl").read_text().splitlines()[-1])["action"] == "rollback"
