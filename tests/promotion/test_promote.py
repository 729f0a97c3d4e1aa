"""A real registry in SQLite, real models, and every way through it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline_config.promotion import PromotionConfig
from tasks.promotion.journal import Journal, read_ledger
from tasks.promotion.ledger import Aliases
from tasks.promotion.promote import Promotion, promote, register_and_promote, rollback
from tasks.runtime.artifact import Artifact, CompressedModel
from tasks.runtime.errors import RefusedInput
from tasks.runtime.registry import Registry
from tasks.runtime.tracking import Tracking
from tasks.runtime.workspace import Workspace
from tests.promotion.shop import DOCUMENTS, Shop, answers, good_predictions, make_artifact, make_evaluation

CONFIG = PromotionConfig()


def run(shop: Shop, **changes: Any) -> Promotion:
    arguments: dict[str, Any] = {
        "model": "m",
        "config": CONFIG,
        "evaluation": shop.evaluation,
        "models": shop.models,
        "compressed": shop.compressed,
        "checkpoint": shop.checkpoint,
        "run_ids": {},
    }
    return register_and_promote(Registry(shop.workspace), **(arguments | changes))


def test_a_road_registers_its_variants_and_promotes_the_candidate(shop: Shop) -> None:
    outcome = run(shop)
    registry = Registry(shop.workspace)
    assert outcome.promoted, outcome.sentence()
    assert [(v.name, v.variant, v.new) for v in outcome.versions] == [
        ("m", "teacher", True),
        ("m", "student", True),
        ("m", "int8", True),
        ("m-encoder", "encoder", True),
    ]
    assert registry.aliases("m") == {"challenger": 3, "champion": 3}
    (entry,) = read_ledger(shop.workspace.ledger)
    assert (entry.action, entry.before, entry.after) == ("promote", Aliases(), Aliases(champion=3))
    assert entry.verdict == "passed"
    again = run(shop)
    assert [v.new for v in again.versions] == [False] * 4
    assert not again.promoted
    assert not again.refused
    assert len(registry.versions("m")) == 3
    assert len(read_ledger(shop.workspace.ledger)) == 1


def second(shop: Shop, predictions: dict[str, Any], test_digest: str = "t1") -> dict[str, Any]:
    """What changes in a road whose student came out different."""
    root = shop.workspace.root
    folder = shop.compressed["int8"].path

    def fill(target: Path) -> None:
        shutil.copytree(folder, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.json"))
        (target / "note.json").write_text(json.dumps([test_digest, int(predictions["int8"].sum())]))

    int8 = make_artifact(CompressedModel, "compress", root, fill, config={"note": test_digest + str(predictions)})
    inputs: dict[str, Artifact] = {"labels": shop.labels, "compressed.int8": int8}
    return {
        "compressed": {"int8": int8},
        "evaluation": make_evaluation(root, inputs, predictions, test_digest),
    }


def test_a_version_is_linked_to_the_run_that_made_it_and_outlives_that_run(shop: Shop) -> None:
    tracking = Tracking(shop.workspace)
    tracking.start_road("m", "r", {})
    made = tracking.node_started("compress", {}, {})
    made.finished(shop.compressed["int8"])
    gone = tracking.node_started("distill", {}, {})
    gone.failed("no matter")
    tracking.client.delete_run(gone.run_id)
    run(shop, run_ids={"compress": made.run_id, "distill": gone.run_id})
    version = Registry(shop.workspace).get("m", 3)
    assert version.run_id == made.run_id
    (output,) = tracking.client.get_run(made.run_id).outputs.model_outputs
    assert version.source == f"models:/{output.model_id}"
    assert tracking.client.get_run(made.run_id).info.status == "FINISHED"


def refused_gates(outcome: Promotion) -> list[str]:
    assert outcome.verdict is not None
    return [gate.name for gate in outcome.verdict.refused]


def with_int8(predicted: Any) -> dict[str, Any]:
    return good_predictions() | {"student": predicted, "int8": predicted}


def test_a_refused_candidate_stays_challenger_and_may_be_overridden(shop: Shop) -> None:
    run(shop)
    registry = Registry(shop.workspace)
    worse = run(shop, **second(shop, with_int8(answers(0.8, seed=9))))
    assert worse.refused
    assert refused_gates(worse) == ["keeps its parent", "holds against champion"] or refused_gates(worse) == [
        "holds against champion"
    ]
    assert "is not promoted" in worse.sentence()
    assert registry.aliases("m") == {"challenger": 4, "champion": 3}
    assert promote(registry, model="m", version=4, config=CONFIG).refused
    forced = promote(registry, model="m", version=4, config=CONFIG, override="the old one leaks")
    assert forced.promoted
    assert forced.overridden == "the old one leaks"
    assert registry.aliases("m") == {"challenger": 4, "champion": 4, "previous": 3}
    entry = read_ledger(shop.workspace.ledger)[-1]
    assert (entry.verdict, entry.reason) == ("refused", "the old one leaks")


def test_promote_rollback_promote(shop: Shop) -> None:
    run(shop)
    registry = Registry(shop.workspace)
    better = run(shop, **second(shop, with_int8(answers(0.97, seed=5))))
    assert better.promoted
    assert (better.former, better.champion) == (3, 4)
    assert rollback(registry, model="m")[1] == Aliases(champion=3)
    assert registry.aliases("m") == {"challenger": 4, "champion": 3}
    assert promote(registry, model="m", version=4, config=CONFIG).promoted
    assert not promote(registry, model="m", version=4, config=CONFIG).promoted
    rollback(registry, model="m")
    rollback(registry, model="m")
    assert registry.aliases("m") == {"challenger": 4}
    before = shop.workspace.ledger.read_bytes()
    with pytest.raises(RefusedInput, match="no promotion is left to undo"):
        rollback(registry, model="m")
    assert shop.workspace.ledger.read_bytes() == before
    actions = [entry.action for entry in read_ledger(shop.workspace.ledger)]
    assert actions == ["promote", "promote", "rollback", "promote", "rollback", "rollback"]


def test_another_test_set_is_a_missing_number(shop: Shop) -> None:
    run(shop)
    other = run(shop, **second(shop, with_int8(answers(0.99, seed=5)), test_digest="t2"))
    assert refused_gates(other) == ["holds against champion"]
    assert "another test set" in other.sentence()


def test_an_alias_moved_by_hand_is_recorded_before_the_next_change(shop: Shop) -> None:
    run(shop)
    registry = Registry(shop.workspace)
    registry.client.set_registered_model_alias("m", "champion", "1")
    assert run(shop).promoted
    entries = read_ledger(shop.workspace.ledger)
    assert [entry.action for entry in entries] == ["promote", "external", "promote"]
    assert entries[1].after == Aliases(champion=1)
    assert registry.aliases("m") == {"challenger": 3, "champion": 3, "previous": 1}


@pytest.mark.parametrize("step", range(4))
def test_a_kill_in_the_middle_of_a_promotion_is_completed_by_the_next_change(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The process dies before its first, second … effect; what is meant is then done once, and recorded once."""
    run(shop, config=PromotionConfig(auto=False))
    registry = Registry(shop.workspace)
    effects = iter(range(9))

    class Killed(BaseException):
        pass

    def dying(function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if next(effects) == step:
                raise Killed
            return function(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(Registry, "set_alias", dying(Registry.set_alias))
        patch.setattr(Journal, "_append", dying(Journal._append))
        patch.setattr(Path, "unlink", dying(Path.unlink))
        with pytest.raises(Killed):
            promote(registry, model="m", version=3, config=CONFIG)
    assert not promote(registry, model="m", version=3, config=CONFIG).promoted
    assert registry.aliases("m")["champion"] == 3
    assert [entry.action for entry in read_ledger(shop.workspace.ledger)] == ["promote"]


def test_versions_outlive_artifacts_and_damage_is_seen(shop: Shop) -> None:
    run(shop, config=PromotionConfig(auto=False))
    registry = Registry(shop.workspace)
    shutil.rmtree(shop.workspace.artifacts)
    version = registry.get("m", 3)
    assert registry.damage(version) == ()
    figures = registry.folder(version) / "textmill" / "evaluation" / "figures.json"
    text = figures.read_text()
    figures.write_text(text.replace("0.9", "1.9"))
    assert promote(registry, model="m", version=3, config=CONFIG).refused
    figures.write_text(text)
    assert promote(registry, model="m", version=3, config=CONFIG).promoted
    model = registry.folder(version) / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    for _ in ("while it is champion", "and after"):
        with pytest.raises(RefusedInput, match=r"damaged: model\.onnx"):
            promote(registry, model="m", version=3, config=CONFIG, override="whatever")
        if registry.aliases("m").get("champion"):
            rollback(registry, model="m")


@pytest.mark.parametrize("harm", ["a byte", "all files"])
def test_a_damaged_version_is_registered_again_by_the_next_run(shop: Shop, harm: str) -> None:
    run(shop)
    registry = Registry(shop.workspace)
    folder = registry.folder(registry.get("m", 3))
    if harm == "a byte":
        (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:-1] + b"x")
    else:
        shutil.rmtree(folder)
    outcome = run(shop)
    assert [(one.version, one.new) for one in outcome.versions if one.name == "m"] == [
        (1, False),
        (2, False),
        (4, True),
    ]
    assert registry.damage(registry.get("m", 4)) == ()
    assert registry.aliases("m")["challenger"] == 4


def test_a_record_of_costs_that_was_lost_stops_no_registration(shop: Shop) -> None:
    (shop.evaluation.path / "execution.json").write_bytes(b"")  # as a loss of power may leave it
    assert run(shop).promoted


def test_a_workspace_may_be_moved(shop: Shop) -> None:
    run(shop)
    moved = shop.workspace.root.with_name("elsewhere")
    shop.workspace.root.rename(moved)
    registry = Registry(Workspace(moved))
    version = registry.resolve("m@champion")
    assert registry.folder(version).is_relative_to(moved)
    assert registry.damage(version) == ()


def test_a_road_without_the_candidate_is_refused(shop: Shop) -> None:
    rungs = {rung: p for rung, p in good_predictions().items() if rung != "int8"}
    evaluation = make_evaluation(shop.workspace.root, {"labels": shop.labels}, rungs)
    with pytest.raises(RefusedInput, match=r"'int8': this road made no such variant\. It made: teacher"):
        run(shop, evaluation=evaluation)


def test_versions_load_in_their_own_worlds(shop: Shop) -> None:
    from transformers import AutoModel, AutoModelForSequenceClassification

    from tasks.modelling.classifier import load_classifier
    from tasks.modelling.inference import encode, predict_logits

    run(shop)
    registry = Registry(shop.workspace)
    folders = {name: registry.folder(registry.resolve(f"m/{name}")) for name in (1, 2)}
    assert AutoModelForSequenceClassification.from_pretrained(folders[2]).config.num_labels == 3
    assert AutoModel.from_pretrained(folders[1]).config.hidden_size == 32
    assert "head.safetensors" in (folders[1] / "README.md").read_text()
    assert AutoModel.from_pretrained(registry.folder(registry.resolve("m-encoder/1"))).config.num_hidden_layers == 4
    texts = ["public access to storage", "audit logging of a very open network port"]
    for version, name in ((1, "base"), (2, "student")):
        loaded = load_classifier(shop.models[name].path)
        rows = encode(loaded.tokenizer, texts, loaded.max_seq_length)
        logits = predict_logits(loaded.model, rows, pad_token_id=loaded.tokenizer.pad_token_id).softmax(dim=-1)
        answer = served(shop, version, texts)
        assert [row["label"] for row in answer] == [loaded.labels[i] for i in logits.argmax(dim=-1).tolist()]
        assert np.allclose([row["score"] for row in answer], logits.max(dim=-1).values, atol=1e-5)


def served(shop: Shop, version: int, texts: list[str]) -> list[dict[str, Any]]:
    import mlflow.pyfunc
    import pandas as pd

    folder = Registry(shop.workspace).folder(Registry(shop.workspace).get("m", version))
    model = mlflow.pyfunc.load_model(str(folder))
    return list(model.predict(pd.DataFrame({"text": texts})).to_dict("records"))


def test_int8_is_served_without_textmill_torch_or_transformers(shop: Shop) -> None:
    from tasks.modelling.onnx_session import OnnxClassifier

    run(shop)
    texts = ["public access to storage", "audit logging of a very open network port", ""]
    script = """
import sys, json
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"flows", "tasks", "pipeline_config", "torch", "transformers"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
import mlflow, pandas
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/m@champion")
print(json.dumps(model.predict(pandas.DataFrame({"text": json.loads(sys.argv[2])})).to_dict("records")))
"""
    database = f"sqlite:///{shop.workspace.root / 'mlflow.db'}"
    arguments = [sys.executable, "-I", "-c", script, database, json.dumps(texts)]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=shop.workspace.root, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    answer = json.loads(done.stdout)
    classifier = OnnxClassifier(shop.compressed["int8"].path)
    probabilities = classifier.predict(texts)
    assert [row["label"] for row in answer] == [classifier.labels[i] for i in probabilities.argmax(axis=1)]
    assert np.allclose([row["score"] for row in answer], probabilities.max(axis=1), atol=1e-6)


def test_the_card_says_what_the_version_is(shop: Shop) -> None:
    config = PromotionConfig(intended_use="Routing of findings.", data_licence="Apache-2.0")
    run(shop, config=config)
    registry = Registry(shop.workspace)
    card = (registry.folder(registry.resolve("m@champion")) / "README.md").read_text()
    for words in (
        "# m, int8",
        "Routing of findings.",
        "Apache-2.0",
        "above TF-IDF",
        "| compress |",
        "| finetune.base |",
    ):
        assert words in card
    assert f"{DOCUMENTS} documents" in card


def test_another_evaluation_does_not_take_the_gates_from_the_card_of_the_champion(shop: Shop) -> None:
    assert run(shop).promoted
    registry = Registry(shop.workspace)
    folder = registry.folder(registry.get("m", 3))
    before = (folder / "README.md").read_text()
    assert "above TF-IDF" in before
    inputs: dict[str, Artifact] = {"labels": shop.labels, "compressed.int8": shop.compressed["int8"]}
    run(shop, evaluation=make_evaluation(shop.workspace.root, inputs, good_predictions(), "t2"))
    after = (folder / "README.md").read_text()
    assert "Test set `t2`" in after
    assert after.replace("`t2`", "`t1`") == before
    student = (registry.folder(registry.get("m", 2)) / "README.md").read_text()
    assert "no gate was asked" in student


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_mlflow_serves_a_version_to_curl(shop: Shop) -> None:
    run(shop)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{shop.workspace.root / 'mlflow.db'}",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # MLflow calls uvicorn by name
    }
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/m@champion", "-p", str(port)]
    server = subprocess.Popen(
        [*command, "--env-manager", "local", "--workers", "1"],
        env=environment,
        cwd=shop.workspace.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    body = json.dumps({"dataframe_records": [{"text": "public access to storage"}]})
    curl = ["curl", "-s", "--retry", "90", "--retry-delay", "1", "--retry-connrefused", "--max-time", "90"]
    curl += ["-H", "Content-Type: application/json", "-d", body, f"http://127.0.0.1:{port}/invocations"]
    try:
        answer = json.loads(subprocess.run(curl, capture_output=True, text=True, check=True).stdout)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    ((label, score),) = [tuple(row.values()) for row in answer["predictions"]]
    assert label in ("storage", "network", "logging")
    assert 1 / 3 < score <= 1
