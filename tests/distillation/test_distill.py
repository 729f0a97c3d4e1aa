import pytest
import torch

from pipeline_config.distillation import (
    CheckpointStudent,
    CrossEntropyLoss,
    DistillConfig,
    HiddenCosineLoss,
    SoftTargetsLoss,
    TeacherLayersStudent,
)
from pipeline_config.finetuning import FullFinetune
from tasks.corpus.document import document_id, document_table, write_documents
from tasks.distillation.stage import distill
from tasks.distillation.transfer import transfer_texts
from tasks.finetuning.stage import finetune
from tasks.modelling.classifier import load_classifier
from tasks.modelling.encoder import load_encoder, load_tokenizer
from tasks.runtime.artifact import Checkpoint, Corpus
from tasks.runtime.errors import RefusedInput

FAST = {"train_batch_size": 8, "learning_rate": 1e-3, "num_train_epochs": 4}
LAYERS = TeacherLayersStudent(kind="teacher_layers", layers=(0, 2))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    words = ("storage", "bucket", "audit", "encryption", "port", "identity")
    rows = [
        {"id": document_id(source, text.encode()), "source": source, "text": text}
        for source in ("checks", "manual")
        for text in (f"{first} {second} {source}" for first in words for second in words)
    ]
    folder = tmp_path_factory.mktemp("corpus")
    write_documents(folder / "documents", document_table(rows))
    return Corpus(node="select", fingerprint="select", digest="select", path=folder)


@pytest.fixture
def teacher(run_stage, tiny_labels, tiny_base):
    config = FullFinetune(kind="full", max_seq_length=16, train_batch_size=8, num_train_epochs=8, learning_rate=1e-3)
    return run_stage(finetune, config, tiny_labels, tiny_base)


def test_the_transfer_set_is_the_smallest_ids_of_the_named_sources(corpus):
    ids = {text: document_id("checks", text.encode()) for text in transfer_texts(corpus, ("checks",), 99)}
    assert len(ids) == 36
    assert all(text.endswith("checks") for text in ids)
    assert transfer_texts(corpus, ("checks",), 5) == sorted(ids, key=ids.__getitem__)[:5]
    assert len(transfer_texts(corpus, None, 99)) == 72
    assert transfer_texts(corpus, (), 99) == []


def test_a_source_that_is_not_there_is_refused(corpus):
    with pytest.raises(RefusedInput, match=r"'chekcs' was kept; expected some of checks, manual"):
        transfer_texts(corpus, ("chekcs",), 5)


def test_a_student_of_the_teachers_layers_follows_its_teacher(run_stage, tiny_labels, corpus, teacher):
    config = DistillConfig(student=LAYERS, max_transfer_documents=40, **FAST)
    student = run_stage(distill, config, tiny_labels, teacher, None, corpus)
    metrics = student.metrics
    assert (metrics["train_documents"], metrics["transfer_documents"]) == (36, 40)
    assert metrics["steps"] == 4 * 10
    assert metrics["validation_agreement"] > 0.9
    assert metrics["parameters"] < metrics["teacher_parameters"]
    assert metrics["teacher_validation_macro_f1"] == teacher.metrics["validation_macro_f1"]
    loaded, original = load_classifier(student.path), load_classifier(teacher.path)
    assert loaded.labels == original.labels
    assert (loaded.pooling, loaded.max_seq_length) == (original.pooling, original.max_seq_length)
    assert loaded.model.encoder.config.num_hidden_layers == 2
    assert load_classifier(teacher.path).model.encoder.config.num_hidden_layers == 4


def test_the_teachers_layers_are_where_the_student_starts(run_stage, tiny_labels, corpus, teacher):
    config = DistillConfig(
        student=LAYERS, head_init="teacher", max_transfer_documents=0, learning_rate=1e-12, head_learning_rate=1e-12
    )
    student = load_classifier(run_stage(distill, config, tiny_labels, teacher, None, corpus).path).model
    reference = load_encoder(teacher.path / "model", layers=(0, 2)).state_dict()
    for name, tensor in student.encoder.state_dict().items():
        torch.testing.assert_close(tensor, reference[name])
    torch.testing.assert_close(student.head.weight, load_classifier(teacher.path).model.head.weight)


@pytest.mark.parametrize("head_init", ["scratch", "teacher", "linear_probe"])
def test_a_checkpoint_student_and_all_losses(
    run_stage, tiny_labels, corpus, teacher, tiny_encoder, tmp_path, head_init
):
    encoder = load_encoder(tiny_encoder, layers=(1,))
    encoder.save_pretrained(tmp_path / "model")
    load_tokenizer(tiny_encoder).save_pretrained(tmp_path / "model")
    checkpoint = Checkpoint(node="pretrain", fingerprint="p", digest="p", path=tmp_path)
    losses = (
        SoftTargetsLoss(kind="soft_targets", temperature=3.0),
        CrossEntropyLoss(kind="cross_entropy"),
        HiddenCosineLoss(kind="hidden_cosine"),
    )
    config = DistillConfig(
        student=CheckpointStudent(kind="checkpoint"),
        losses=losses,
        head_init=head_init,
        transfer_sources=("manual",),
        max_transfer_documents=8,
        **FAST,
    )
    first, second = (run_stage(distill, config, tiny_labels, teacher, checkpoint, corpus) for _ in range(2))
    assert first.digest == second.digest
    assert load_classifier(first.path).model.encoder.config.num_hidden_layers == 1


def test_a_checkpoint_student_needs_an_encoder(run_stage, tiny_labels, corpus, teacher):
    with pytest.raises(RefusedInput, match="needs an encoder"):
        run_stage(distill, DistillConfig(), tiny_labels, teacher, None, corpus)


def test_hidden_cosine_refuses_another_width(run_stage, tiny_labels, corpus, teacher, tiny_encoder, tmp_path):
    from transformers import BertConfig, BertModel

    tokenizer = load_tokenizer(tiny_encoder)
    narrow = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    BertModel(narrow).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    checkpoint = Checkpoint(node="pretrain", fingerprint="p", digest="p", path=tmp_path)
    config = DistillConfig(losses=(HiddenCosineLoss(kind="hidden_cosine"),))
    with pytest.raises(RefusedInput, match="the teacher is 32 wide, the student 16"):
        run_stage(distill, config, tiny_labels, teacher, checkpoint, corpus)
