import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForSequenceClassification

from tasks.modelling.classifier import load_classifier, new_classifier, save_classifier
from tasks.modelling.encoder import load_encoder, load_tokenizer
from tasks.modelling.inference import collate, encode, extract_features, predict_logits
from tasks.runtime.errors import RefusedInput

TEXTS = ["storage bucket public", "key", "identity policy logging audit network port open encryption"]
LABELS = ("access", "crypto", "logging")


@pytest.fixture
def saved(tiny_encoder, tmp_path):
    def save(pooling):
        model = new_classifier(load_encoder(tiny_encoder), LABELS, pooling, seed=3).eval()
        tokenizer = load_tokenizer(tiny_encoder)
        tokenizer.truncation_side = "left"
        save_classifier(model, tokenizer, tmp_path, max_seq_length=8)
        return model, tokenizer, tmp_path

    return save


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_a_classifier_round_trips(saved, pooling):
    model, tokenizer, folder = saved(pooling)
    loaded = load_classifier(folder)
    assert (loaded.labels, loaded.pooling, loaded.max_seq_length) == (LABELS, pooling, 8)
    assert loaded.tokenizer.truncation_side == "left"
    rows = encode(tokenizer, TEXTS, 8)
    assert torch.equal(predict_logits(loaded.model, rows, pad_token_id=0), predict_logits(model, rows, pad_token_id=0))


def test_with_cls_pooling_transformers_alone_gives_the_same_logits(saved):
    model, tokenizer, folder = saved("cls")
    native = AutoModelForSequenceClassification.from_pretrained(folder / "model").eval()
    assert native.config.id2label == dict(enumerate(LABELS))
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        expected = native(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        assert torch.equal(model(batch["input_ids"], batch["attention_mask"]).logits, expected)


def test_with_mean_pooling_auto_model_and_head_file_are_enough(saved):
    model, tokenizer, folder = saved("mean")
    encoder = AutoModel.from_pretrained(folder / "model").eval()
    head = load_file(folder / "head.safetensors")
    assert head["weight"].shape == (3, 32)
    assert head["bias"].shape == (3,)
    for text in TEXTS:
        batch = tokenizer(text, return_tensors="pt")
        with torch.inference_mode():
            hidden = encoder(input_ids=batch["input_ids"]).last_hidden_state[0]
            logits = hidden.mean(0) @ head["weight"].T + head["bias"]
            found = model(batch["input_ids"], batch["attention_mask"]).logits[0]
        torch.testing.assert_close(found, logits)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_features_are_what_the_head_sees_and_batching_changes_nothing(saved, pooling):
    model, tokenizer, _ = saved(pooling)
    model.train()
    rows = encode(tokenizer, TEXTS, 16)
    features = extract_features(model, rows, pad_token_id=0)
    logits = predict_logits(model, rows, pad_token_id=0)
    assert model.training
    torch.testing.assert_close(model.head(features), logits)
    for index, row in enumerate(rows):
        torch.testing.assert_close(predict_logits(model, [row], pad_token_id=0)[0], logits[index])


def test_collate_pads_to_the_longest():
    ids, mask = collate([[2, 5, 3], [2, 3]], pad_token_id=9)
    assert ids.tolist() == [[2, 5, 3], [2, 3, 9]]
    assert mask.tolist() == [[1, 1, 1], [1, 1, 0]]


def test_encode_cuts_at_the_tokenizers_side(tiny_encoder):
    tokenizer = load_tokenizer(tiny_encoder)
    whole = encode(tokenizer, [TEXTS[2]], 64)[0]
    assert encode(tokenizer, [TEXTS[2]], 5) == [[*whole[:4], whole[-1]]]
    tokenizer.truncation_side = "left"
    assert encode(tokenizer, [TEXTS[2]], 5) == [[whole[0], *whole[-4:]]]


def test_a_folder_without_classifier_is_refused(tiny_encoder):
    with pytest.raises(RefusedInput, match=r"no textmill\.json"):
        load_classifier(tiny_encoder)
