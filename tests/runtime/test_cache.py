"""Zero stale hits, zero needless misses; and the plan says before what the run does."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline_config.ingest import TextConfig
from tasks.runtime.artifact import MANIFEST, SAMPLE
from tasks.runtime.errors import RefusedInput, StageFailed
from tasks.runtime.planning import Planner
from tasks.runtime.settings import Settings
from tasks.runtime.stage import Stage
from tasks.runtime.store import Store
from tasks.runtime.workspace import Workspace
from tests.runtime import toy
from tests.runtime.toy_session import Road, Run, call_of, new_road

ALL = ["copy.a", "copy.b", "join"]


@pytest.fixture
def road(tmp_path: Path) -> Road:
    road = new_road(tmp_path / "ws")
    last, ran, _ = road.run()
    assert ran == ALL
    assert (last.path / "text.txt").read_text() == "A+BB"
    return road


def text(road: Road) -> str:
    last, _, _ = road.run()
    return (last.path / "text.txt").read_text()


def test_a_first_plan_says_never_run(tmp_path: Path) -> None:
    assert set(new_road(tmp_path).plan().values()) == {("run", "never run")}


def test_nothing_changed_means_nothing_runs(road: Road) -> None:
    assert set(road.plan().values()) == {("reuse", "")}
    _, ran, memory = road.run()
    assert ran == []
    assert ("tracked as reused", "join", "join") in memory.seen


def test_a_changed_setting_reruns_its_node_and_what_follows(road: Road) -> None:
    changed = replace(road, b=toy.CopyConfig(repeat=3))
    assert changed.plan() == {
        "copy.a": ("reuse", ""),
        "copy.b": ("run", "copy.repeat 2 → 3"),
        "join": ("run", "input copy.b changed"),
    }
    assert changed.run()[1] == ["copy.b", "join"]
    assert road.run()[1] == [], "going back finds the earlier artifacts"


def test_a_changed_file_is_named(road: Road) -> None:
    (road.root / "a.txt").write_text("Z")
    assert road.plan()["copy.a"] == ("run", "file a.txt changed")
    assert road.run()[1] == ["copy.a", "join"]
    assert text(road) == "Z+BB"


def test_a_stage_version_is_named(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy, "join", replace_version(toy.join, 2))
    assert road.plan()["join"] == ("run", "version 1 → 2")


def replace_version(stage: Stage, version: int) -> Stage:
    return replace(stage, version=version)


def has_earlier(road: Road, *, force: tuple[str, ...] = ()) -> bool:
    last, ran, _ = road.run(force)
    assert "join" in ran
    execution = Store(Workspace(road.root)).execution(last.path)
    assert execution is not None
    return bool(execution.measured["earlier"])


def test_a_node_is_given_its_intact_earlier_artifact_of_the_same_settings(tmp_path: Path) -> None:
    road = new_road(tmp_path / "ws", join=toy.JoinConfig(noise=True))  # each artifact replaces what was there
    assert not has_earlier(road), "there is none"
    (road.root / "a.txt").write_text("Z")
    assert has_earlier(road)
    assert not has_earlier(road, force=("join",)), "a forced node does all its work"
    assert not has_earlier(replace(road, join=toy.JoinConfig(noise=True, separator="-"))), "other settings"
    (road.root / "a.txt").write_text("Y")
    for text in (road.root / "artifacts" / "join").glob("*/text.txt"):
        text.write_text("damaged")
    assert not has_earlier(road), "damaged ones do not count"


def test_what_was_tried_out_in_between_is_no_ancestor(road: Road) -> None:
    first, _, _ = road.run()
    tried, _, _ = replace(road, a=toy.CopyConfig(repeat=3)).run()
    (road.root / "a.txt").write_text("Z")
    store = Store(Workspace(road.root))
    assert store.earlier(road.run()[0].manifest) == first.path
    other, _, _ = replace(road, a=toy.CopyConfig(repeat=4)).run()
    assert store.earlier(other.manifest) not in (None, first.path, tried.path), "the newest of the others"


def test_the_ancestor_is_what_was_used_last_whenever_it_was_made(road: Road) -> None:
    first = road.run()[0]
    (road.root / "a.txt").write_text("Z")
    second, ran, _ = road.run()
    assert "join" in ran
    (road.root / "a.txt").write_text("Y")
    store = Store(Workspace(road.root))
    assert store.earlier(road.run()[0].manifest) == second.path
    (road.root / "a.txt").write_text("A")
    assert road.run()[1] == []
    (road.root / "a.txt").write_text("X")
    assert store.earlier(road.run()[0].manifest) == first.path


def test_what_was_made_of_another_share_is_no_ancestor(road: Road) -> None:
    assert SAMPLE in TextConfig.model_fields
    sampled = replace(road, a=toy.CopyConfig(sample=0.6))
    first = sampled.run()[0]
    store = Store(Workspace(road.root))
    assert store.earlier(first.manifest) is None, "of a whole none is made for a sample"
    whole = road.run()[0]
    assert store.earlier(whole.manifest) is None, "nor the other way round"
    (road.root / "a.txt").write_text("Z")
    assert store.earlier(sampled.run()[0].manifest) == first.path
    other = replace(road, a=toy.CopyConfig(repeat=3)).run()[0]
    assert store.earlier(other.manifest) == whole.path, "the sample is newer, and passed over"
    shutil.rmtree(road.root / "artifacts" / "copy.a" / whole.manifest.inputs["one"].fingerprint)
    assert store.earlier(other.manifest) is None, "nobody knows of what share that was made"


@pytest.mark.parametrize("victim", ["text.txt", MANIFEST])
def test_a_flipped_byte_is_seen_and_mended(road: Road, victim: str) -> None:
    (folder,) = (road.root / "artifacts" / "copy.b").iterdir()
    content = bytearray((folder / victim).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / victim).write_bytes(content)
    plan = road.plan()
    assert plan["copy.b"] == ("run", f"damaged: {victim}")
    assert plan["join"] == ("reuse", "if copy.b comes out equal")
    assert road.run()[1] == ["copy.b"]
    assert set(road.plan().values()) == {("reuse", "")}


def test_every_byte_of_a_manifest_counts(road: Road) -> None:
    from tasks.runtime.store import Store
    from tasks.runtime.workspace import Workspace

    (folder,) = (road.root / "artifacts" / "join").iterdir()
    content = (folder / MANIFEST).read_text()
    manifest = json.loads(content)
    for key in manifest:
        changed = {**manifest, key: _other(manifest[key])}
        (folder / MANIFEST).write_text(json.dumps(changed))
        found, why = Store(Workspace(road.root)).verify(folder)
        assert found is None, key
        assert why.startswith("damaged")


def _other(value: object) -> object:
    return value + "x" if isinstance(value, str) else value + 1 if isinstance(value, int) else {"x": "y"}


def test_a_deleted_artifact_reruns_alone(road: Road) -> None:
    shutil.rmtree(road.root / "artifacts" / "copy.a")
    assert road.plan() == {
        "copy.a": ("run", "its artifact was deleted"),
        "copy.b": ("reuse", ""),
        "join": ("reuse", "if copy.a comes out equal"),
    }
    assert road.run()[1] == ["copy.a"]


def test_what_a_node_costs_is_known_when_its_artifacts_are_gone(road: Road) -> None:
    planner = Planner(Store(Workspace(road.root)))
    road.walk(planner)
    before = {node.node: node.estimate for node in planner.nodes}
    shutil.rmtree(road.root / "artifacts" / "copy.a")
    planner = Planner(Store(Workspace(road.root)))
    road.walk(planner)
    known = {node.node: node.estimate for node in planner.nodes}
    old, new = before["copy.a"], known["copy.a"]
    assert old is not None
    assert new is not None
    assert (new.seconds, new.memory_bytes, new.disk_bytes) == (old.seconds, old.memory_bytes, old.disk_bytes)
    assert new.seconds > 0
    assert known["join"] == before["join"]


def test_a_forced_node_runs_and_what_follows_is_reused(road: Road) -> None:
    assert road.plan(["copy"]) == {
        "copy.a": ("run", "forced"),
        "copy.b": ("run", "forced"),
        "join": ("reuse", "if copy.a and copy.b come out equal"),
    }
    assert road.run(["copy"])[1] == ["copy.a", "copy.b"]


def test_what_is_not_reproducible_is_reported_and_what_follows_runs(tmp_path: Path) -> None:
    noisy = new_road(tmp_path / "ws", join=toy.JoinConfig(noise=True))
    noisy.run()
    _, ran, memory = noisy.run(["join"])
    assert ran == ["join"]
    assert ("ran", "join", "different") in memory.seen


@pytest.mark.parametrize(
    ("road", "forced"),
    [
        ({"a": toy.CopyConfig(fail="noise"), "join": toy.JoinConfig(noise=True)}, "copy.a"),
        ({"join": toy.JoinConfig(noise=True, state=True)}, "join"),
    ],
    ids=["other bytes went in", "other state"],
)
def test_what_began_otherwise_is_not_called_irreproducible(tmp_path: Path, road: dict[str, Any], forced: str) -> None:
    made = new_road(tmp_path / "ws", **road)
    made.run()
    _, _, memory = made.run([forced])
    assert ("ran", "join", "") in memory.seen


def test_what_tracking_lost_is_told(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.terminal import Terminal

    session, memory = road.session(["join"])
    monkeypatch.setattr(memory, "node_started", lambda node, *_: Run(memory, node, lost="the store\nis gone"))
    road.walk(call_of(session))
    told = ("missed", "join", "MLflow's page of it is not complete: the store")
    assert told in memory.seen
    Terminal(screen := io.StringIO()).missed(*told[1:])
    assert told[2] in screen.getvalue()


def test_machine_settings_do_not_count(road: Road) -> None:
    other = Settings(workers=7, device="cpu", micro_batch_size=3, leases=str(road.root / "l2"))
    assert road.run(settings=other)[1] == []


def test_a_place_or_a_default_written_out_does_not_count(road: Road) -> None:
    same = replace(road, a=toy.CopyConfig(repeat=1, path="elsewhere", fail=""))
    assert set(same.plan().values()) == {("reuse", "")}


def test_a_moved_workspace_is_reused(road: Road, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(road.root, moved)
    shutil.rmtree(road.root)
    there = replace(road, root=moved)
    assert set(there.plan().values()) == {("reuse", "")}
    assert there.run()[1] == []


def test_half_an_artifact_is_swept_away(road: Road) -> None:
    shutil.rmtree(road.root / "artifacts" / "join")
    (ghost,) = {path.parent for path in (road.root / "work" / "join").glob("*.lock")}
    fingerprint = next(ghost.glob("*.lock")).stem
    (ghost / fingerprint / "out").mkdir(parents=True)
    (ghost / fingerprint / "out" / "text.txt").write_text("half")
    assert road.run()[1] == ["join"]
    assert text(road) == "A+BB"


@pytest.mark.parametrize(
    ("fail", "kind", "words"),
    [
        ("refuse", RefusedInput, "give a number"),
        ("crash", StageFailed, "ZeroDivisionError: by zero"),
        ("die", StageFailed, "was killed"),
        ("full", StageFailed, "disk is full"),
    ],
)
def test_a_failure_is_a_sentence_and_keeps_what_is_done(
    tmp_path: Path, fail: str, kind: type[Exception], words: str
) -> None:
    bad = new_road(tmp_path / "ws", b=toy.CopyConfig(fail=fail))
    with pytest.raises(kind, match=words):
        bad.run()
    plan = bad.plan()
    assert plan["copy.a"] == ("reuse", "")
    assert plan["copy.b"][0] == "run"


def test_a_file_that_changes_under_way_spoils_the_result(tmp_path: Path) -> None:
    road = new_road(tmp_path / "ws", b=toy.CopyConfig(fail="edit"))
    with pytest.raises(StageFailed, match=r"b\.txt was changed while this run was under way"):
        road.run()
    (road.root / "b.txt").write_text("B")
    assert road.plan()["copy.b"] == ("run", "never run")


def test_a_file_that_changed_since_the_plan_is_refused(tmp_path: Path) -> None:
    road = new_road(tmp_path / "ws")
    planned = toy.input_files(road.root / "a.txt")
    (road.root / "a.txt").write_text("another text")
    with pytest.raises(StageFailed, match="was changed"):
        road.session()[0].obtain(toy.copy, "copy.a", toy.copy.bind(road.a, planned))


def test_a_key_that_came_or_went_is_a_reason(road: Road) -> None:
    more = replace(road, a=toy.CopyConfig(weights={"docs": 4}))
    assert more.plan()["copy.a"] == ("run", "copy.weights.docs (unset) → 4")
    more.run()
    assert road.plan()["copy.a"] == ("reuse", "")
    less = replace(road, a=toy.CopyConfig(weights={"docs": 4}, repeat=5))
    less.run()
    assert replace(road, a=toy.CopyConfig(repeat=6)).plan()["copy.a"] == (
        "run",
        "copy.repeat 5 → 6; copy.weights.docs 4 → (unset)",
    )


def test_a_node_that_turned_out_to_need_a_run_says_why(tmp_path: Path) -> None:
    road = new_road(tmp_path / "ws", a=toy.CopyConfig(fail="noise"))
    road.run()
    session, memory = road.session(["copy.a"], reasons={"copy.a": "forced"})
    road.walk(call_of(session))
    reasons = {seen[1]: seen[2] for seen in memory.seen if seen[0] == "started"}
    assert reasons == {"copy.a": "forced", "join": "input copy.a came out different"}


def test_what_was_logged_over_steps_lies_beside_the_artifact_and_counts_for_nothing(road: Road) -> None:
    (folder,) = (road.root / "artifacts" / "copy.a").glob("[!.]*")
    execution = Store(Workspace(road.root)).execution(folder)
    assert execution is not None
    assert execution.curves == {"loss": [(1, 0.5)]}
    assert execution.measured == {"rate": 10.0}
    (folder / "execution.json").write_text(execution.model_copy(update={"curves": {}}).model_dump_json())
    assert set(road.plan().values()) == {("reuse", "")}
