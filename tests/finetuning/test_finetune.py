import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import f1_score

from pipeline_config.finetuning import FrozenProbe, FullFinetune
from tasks.finetuning.stage import finetune
from tasks.modelling.classifier import load_classifier
from tasks.modelling.encoder import load_encoder
from tasks.modelling.inference import encode, predict_logits
from tasks.modelling.linear_probe import load_probe
from tasks.runtime.artifact import LabelledData
from tasks.runtime.errors import RefusedInput
from tasks.runtime.settings import Settings

FAST = {"head_c": 1.0, "max_seq_length": 16, "train_batch_size": 8, "num_train_epochs": 3, "learning_rate": 1e-3}


def full(**changes):
    return FullFinetune(kind="full", **(FAST | changes))


def weights(model):
    return {name: digest.sha256 for name, digest in model.manifest.files.items()}


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_a_tiny_model_learns_and_tells_what_it_reached(run_stage, tiny_labels, tiny_base, pooling):
    model = run_stage(finetune, full(pooling=pooling, num_train_epochs=16), tiny_labels, tiny_base)
    rows = pq.read_table(model.path / "predictions" / "validation.parquet").to_pylist()
    truth, predicted = [row["label"] for row in rows], [row["probs"].index(max(row["probs"])) for row in rows]
    assert model.metrics["validation_macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert model.metrics["validation_macro_f1"] > 0.9
    assert model.metrics["validation_macro_f1"] == max(model.metrics["validation_macro_f1_by_epoch"])
    assert model.metrics["steps"] == 80
    loaded = load_classifier(model.path)
    logits = predict_logits(loaded.model, encode(loaded.tokenizer, ["audit policy identity"], 16), pad_token_id=0)
    assert loaded.labels[int(logits.argmax())] == "logging"


def test_the_test_split_is_not_opened(run_stage, tiny_labels, tiny_base, tmp_path):
    folder = shutil.copytree(tiny_labels.path, tmp_path / "labels")
    shutil.rmtree(folder / "data" / "test")
    data = LabelledData(node="l", fingerprint="l", digest="l", path=folder)
    run_stage(finetune, full(num_train_epochs=1), data, tiny_base)


def test_a_frozen_probe_leaves_the_encoder_untouched(run_stage, tiny_labels, tiny_base):
    config = FrozenProbe(kind="frozen", max_seq_length=16, layers=(0, 3))
    model = run_stage(finetune, config, tiny_labels, tiny_base)
    before = load_encoder(tiny_base.folder, layers=(0, 3)).state_dict()
    after = load_file(model.path / "model" / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_stored_probe_is_the_frozen_rung(run_stage, tiny_labels, tiny_base):
    frozen = run_stage(finetune, FrozenProbe(kind="frozen", max_seq_length=16), tiny_labels, tiny_base)
    tuned = run_stage(finetune, full(), tiny_labels, tiny_base)
    assert tuned.metrics["probe_validation_macro_f1"] == frozen.metrics["validation_macro_f1"]
    probe = load_probe(tuned.path, load_encoder(tiny_base.folder))
    reference = load_classifier(frozen.path)
    rows = encode(reference.tokenizer, ["open identity bucket", "audit port"], 16)
    assert torch.equal(
        predict_logits(probe, rows, pad_token_id=0), predict_logits(reference.model, rows, pad_token_id=0)
    )


def test_the_head_starts_from_the_soft_probe(run_stage, tiny_labels, tiny_base):
    still = {"learning_rate": 1e-12, "head_learning_rate": 1e-12, "num_train_epochs": 1, "dropout": 0.0, "head_c": 0.02}
    tuned = load_classifier(run_stage(finetune, full(**still), tiny_labels, tiny_base).path)
    soft = FrozenProbe(kind="frozen", max_seq_length=16, probe_c=(0.02,))
    probe = load_classifier(run_stage(finetune, soft, tiny_labels, tiny_base).path)
    torch.testing.assert_close(tuned.model.head.weight, probe.model.head.weight)
    torch.testing.assert_close(tuned.model.head.bias, probe.model.head.bias)


def test_a_head_from_scratch_has_no_probe_and_balanced_weights_train(run_stage, tiny_labels, tiny_base):
    config = full(head_init="scratch", class_weights="balanced", num_train_epochs=1)
    model = run_stage(finetune, config, tiny_labels, tiny_base)
    assert not (model.path / "probe.safetensors").exists()
    assert "probe_c" not in model.metrics


def test_early_stopping_ends_training_and_the_best_epoch_is_kept(run_stage, tiny_labels, tiny_base):
    config = full(learning_rate=1e-9, head_learning_rate=1e-9, num_train_epochs=9, early_stopping_patience=2)
    model = run_stage(finetune, config, tiny_labels, tiny_base)
    assert model.metrics["steps"] == 15, "the first epoch cannot be bettered, so the third is the last"
    assert model.metrics["best_epoch"] == 1


def test_a_label_without_training_text_is_refused(run_stage, tiny_labels, tiny_base, tmp_path):
    folder = shutil.copytree(tiny_labels.path, tmp_path / "labels")
    (folder / "labels.json").write_text(json.dumps(["exposure", "encryption", "logging", "iam"]))
    data = LabelledData(node="l", fingerprint="l", digest="l", path=folder)
    with pytest.raises(RefusedInput, match="'iam' has no text in the training split"):
        run_stage(finetune, full(), data, tiny_base)


def test_the_same_seed_gives_the_same_bytes_and_another_other(run_stage, tiny_labels, tiny_base):
    first, second, other = (run_stage(finetune, full(seed=seed), tiny_labels, tiny_base) for seed in (1, 1, 2))
    assert weights(first) == weights(second)
    assert first.digest == second.digest
    assert weights(first)["model/model.safetensors"] != weights(other)["model/model.safetensors"]


RUN = """
import sys
from pathlib import Path
from tasks.finetuning.stage import finetune
from tasks.runtime.settings import Settings
from tasks.runtime.stage import Job

job = Job.model_validate_json(Path(sys.argv[1]).read_text())
finetune.execute(job, lambda event: None, Settings(workers=1, device="cpu"))
"""


@pytest.mark.slow
def test_killed_and_run_again_it_ends_with_the_same_bytes(tmp_path, run_stage, tiny_labels, tiny_base):
    config = full(num_train_epochs=30)
    arguments = finetune.bind(config, tiny_labels, tiny_base)
    work = tmp_path / "work"
    for folder in ("work", "killed", "again"):
        (tmp_path / folder).mkdir()

    job = finetune.job("finetune.base", arguments, tmp_path / "killed", work)
    (tmp_path / "job.json").write_text(job.model_dump_json())
    command = [sys.executable, "-c", RUN, str(tmp_path / "job.json")]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and process.poll() is None and not list(work.rglob("step-*")):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was killed in the middle"

    events = []
    settings = Settings(workers=1, device="cpu")
    again = finetune.execute(
        finetune.job("finetune.base", arguments, tmp_path / "again", work), events.append, settings
    )
    assert next(event["message"] for event in events if event["event"] == "say").startswith("resumed finetune at step")
    whole = run_stage(finetune, config, tiny_labels, tiny_base, node="finetune.base")
    assert again.manifest == whole.manifest
