import json
import shutil

import pytest
import torch
from transformers import AutoModel, BertConfig, BertForMaskedLM, DistilBertConfig, DistilBertModel

from tasks.modelling.encoder import (
    keep_layers,
    load_encoder,
    load_reader,
    load_tokenizer,
    resize_for_tokenizer,
)
from tasks.runtime.artifact import Checkpoint
from tasks.runtime.errors import RefusedInput

IDS = torch.tensor([[2, 7, 8, 9, 3]])


def test_kept_layers_are_those_layers_run_by_hand(tiny_encoder):
    whole, kept = load_encoder(tiny_encoder), load_encoder(tiny_encoder, layers=(0, 2))
    with torch.inference_mode():
        hidden = whole.embeddings(input_ids=IDS)
        for index in (0, 2):
            output = whole.encoder.layer[index](hidden)
            hidden = output[0] if isinstance(output, tuple) else output
        torch.testing.assert_close(kept(input_ids=IDS).last_hidden_state, hidden)


@pytest.mark.parametrize(
    "model",
    [
        lambda: DistilBertModel(DistilBertConfig(vocab_size=50, dim=16, n_layers=3, n_heads=2, hidden_dim=32)),
        lambda: AutoModel.from_config(
            BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32)
        ),
    ],
)
def test_an_encoder_with_fewer_layers_round_trips_through_auto_model(model, tmp_path):
    encoder = model().eval()
    keep_layers(encoder, (0, 2))
    encoder.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path)
    assert again.config.num_hidden_layers == 2
    with torch.inference_mode():
        assert torch.equal(again(input_ids=IDS).last_hidden_state, encoder(input_ids=IDS).last_hidden_state)


@pytest.mark.parametrize("layers", [(), (2, 0), (0, 0), (0, 4), (-1, 0)])
def test_layers_that_are_not_there_are_refused(tiny_encoder, layers):
    with pytest.raises(RefusedInput, match="from 0 to 3"):
        load_encoder(tiny_encoder, layers=layers)


def test_pickled_weights_are_refused(tiny_encoder, tmp_path):
    folder = shutil.copytree(tiny_encoder, tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(RefusedInput, match=r"pickled \(pytorch_model\.bin\)"):
        load_encoder(folder)


def test_a_model_without_tokenizer_is_refused(tiny_encoder, tmp_path):
    folder = shutil.copytree(tiny_encoder, tmp_path / "model", ignore=shutil.ignore_patterns("tokenizer*"))
    with pytest.raises(RefusedInput, match="no tokenizer"):
        load_encoder(folder)


def test_missing_weights_are_refused(tiny_encoder, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_encoder, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RefusedInput, match=r"layer\.1\.output\.dense\.weight"):
        load_encoder(folder)


def test_a_checkpoint_without_pooler_loads_quietly_and_always_the_same(tiny_encoder, tmp_path, capfd):
    folder = shutil.copytree(tiny_encoder, tmp_path / "model")
    config = BertConfig.from_pretrained(folder)
    BertForMaskedLM(config).save_pretrained(folder)
    torch.manual_seed(1)
    capfd.readouterr()
    first = load_encoder(folder)
    state = torch.get_rng_state()
    second = load_encoder(folder)
    assert torch.equal(first.pooler.dense.weight, second.pooler.dense.weight)
    assert torch.equal(state, torch.get_rng_state()), "loading leaves the caller's randomness alone"
    assert capfd.readouterr() == ("", "")


def test_dropout_overrides_every_probability(tiny_encoder):
    encoder = load_encoder(tiny_encoder, dropout=0.25)
    assert {m.p for m in encoder.modules() if isinstance(m, torch.nn.Dropout)} == {0.25}


def test_a_new_token_starts_as_the_mean_of_its_pieces(tiny_encoder, tmp_path):
    folder = shutil.copytree(tiny_encoder, tmp_path / "model")
    plain = load_tokenizer(folder)
    spec = json.loads((folder / "tokenizer.json").read_text())
    pieces = plain.tokenize("bucketpolicy")
    assert len(pieces) > 1
    spec["model"]["vocab"]["bucketpolicy"] = len(plain)
    (folder / "tokenizer.json").write_text(json.dumps(spec))
    extended, encoder = load_tokenizer(folder), load_encoder(folder)
    before = encoder.get_input_embeddings().weight.detach().clone()
    new_tokens = [{"token": "bucketpolicy", "pieces": pieces}]

    resize_for_tokenizer(encoder, extended, new_tokens)
    after = encoder.get_input_embeddings().weight.detach()
    assert torch.equal(after[:-1], before)
    torch.testing.assert_close(after[-1], before[plain.convert_tokens_to_ids(pieces)].mean(0))
    assert encoder.config.vocab_size == len(extended)

    resize_for_tokenizer(encoder, extended, new_tokens)  # already there
    assert torch.equal(encoder.get_input_embeddings().weight, after)


def test_a_foreign_tokenizer_is_refused(tiny_encoder):
    tokenizer = load_tokenizer(tiny_encoder)
    tokenizer.add_tokens(["foreign"])
    with pytest.raises(RefusedInput, match="was not made for this encoder"):
        resize_for_tokenizer(load_encoder(tiny_encoder), tokenizer, [])


def test_an_encoder_is_read_with_the_tokenizer_beside_it(tiny_base, tmp_path):
    shutil.copytree(tiny_base.folder, tmp_path / "model")
    spec = json.loads((tmp_path / "model" / "tokenizer.json").read_text())
    vocabulary = spec["model"]["vocab"]
    last = max(vocabulary, key=vocabulary.__getitem__)
    vocabulary["retrained"] = vocabulary.pop(last)
    (tmp_path / "model" / "tokenizer.json").write_text(json.dumps(spec))
    adapted = Checkpoint(node="pretrain", fingerprint="p", digest="p", path=tmp_path)
    assert last in load_reader(tiny_base)[1].get_vocab()
    assert "retrained" in load_reader(adapted)[1].get_vocab()
