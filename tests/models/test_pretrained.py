import json

import keras
import keras_hub
import numpy as np
import pytest

from rmkeras.data import Preference
from rmkeras.data.minilm import FOLDER, minilm_folder
from rmkeras.data.prepare import default_data_dir
from rmkeras.errors import RmkerasError
from rmkeras.layers import LastTokenPooling, MeanPooling
from rmkeras.models import BackboneEncoder, BertEncoder, load_model
from rmkeras.models.backbone import is_causal
from rmkeras.models.preference_training import train_preference_model
from rmkeras.models.pretrained import load_pretrained, pretrained_reward_model
from tests.models.tiny_bert import WORDS, hugging_face_bert

needs_minilm = pytest.mark.skipif(
    not (default_data_dir() / FOLDER / "model.safetensors").is_file(),
    reason="minilm is not there; bring it with: rmkeras data prepare minilm",
)


def numpy_bert(weights, ids, heads=2, layers=2):
    """BERT in float64, written from the paper."""
    from scipy.special import erf

    w = {k: v.astype("float64") for k, v in weights.items()}

    def norm(x, name):
        u = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return u * w[f"{name}.weight"] + w[f"{name}.bias"]

    def dense(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    x = w["embeddings.word_embeddings.weight"][ids]
    x = x + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(
        x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm"
    )
    for i in range(layers):
        at = f"encoder.layer.{i}.attention."
        q, k, v = (
            dense(x, f"{at}self.{n}").reshape(len(ids), heads, -1).swapaxes(0, 1)
            for n in ("query", "key", "value")
        )
        logits = q @ k.swapaxes(1, 2) / np.sqrt(q.shape[-1])
        p = np.exp(logits - logits.max(-1, keepdims=True))
        mixed = (p / p.sum(-1, keepdims=True) @ v).swapaxes(0, 1).reshape(x.shape)
        x = norm(x + dense(mixed, f"{at}output.dense"), f"{at}output.LayerNorm")
        h = dense(x, f"encoder.layer.{i}.intermediate.dense")
        h = dense(
            0.5 * h * (1 + erf(h / np.sqrt(2))), f"encoder.layer.{i}.output.dense"
        )
        x = norm(x + h, f"encoder.layer.{i}.output.LayerNorm")
    return x


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert")
    return folder, hugging_face_bert(folder)


@pytest.fixture(scope="module")
def gpt(tmp_path_factory):
    """A tiny GPT-2 as a KerasHub preset, its tokeniser included."""
    from tokenizers import ByteLevelBPETokenizer

    folder = tmp_path_factory.mktemp("gpt")
    keras.utils.set_random_seed(0)
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(["a good film"] * 5, 300, special_tokens=["<|endoftext|>"])
    bpe.save_model(str(folder))
    vocabulary = json.loads((folder / "vocab.json").read_text())
    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=len(vocabulary),
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=16,
        dropout=0.0,
    )
    # At their usual size fresh weights hardly tell one word from another.
    rng = np.random.default_rng(0)
    for weight in backbone.weights:
        if len(weight.shape) > 1:
            weight.assign(rng.normal(0, 0.3, weight.shape))
    merges = (folder / "merges.txt").read_text().splitlines()[1:]
    preset = folder / "preset"
    backbone.save_to_preset(preset)
    keras_hub.models.GPT2Tokenizer(vocabulary, merges).save_to_preset(preset)
    return preset


def test_bert_from_a_folder_is_bert(bert):
    folder, weights = bert
    model = pretrained_reward_model(str(folder))
    assert isinstance(model.encoder, BertEncoder)
    assert isinstance(model.pooling, MeanPooling)
    (ids,) = model.encode(["A good film!"])
    assert ids == [2, 9, 5, 7, 11, 3]
    padded = np.array([[0, 0, *ids, 0]])
    ours = np.array(model.encoder(padded))[0, 2:-1]
    np.testing.assert_allclose(ours, numpy_bert(weights, ids), atol=1e-4)


def test_bert_equals_keras_hub_where_both_use_the_tanh_formula(bert):
    backbone, _, activation = load_pretrained(str(bert[0]))
    assert activation == "gelu"
    encoder = BertEncoder(len(WORDS), 16, 8, 2, 2, 16, activation="gelu_approximate")
    encoder.load_keras_hub_backbone(backbone)
    ids = np.array([[2, 5, 7, 3, 0], [2, 9, 3, 0, 0]])
    mask = ids != 0
    inputs = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": mask}
    theirs = np.array(backbone(inputs)["sequence_output"])
    np.testing.assert_allclose(np.array(encoder(ids))[mask], theirs[mask], atol=1e-5)


def test_gpt_is_read_from_its_last_real_token(gpt):
    model = pretrained_reward_model(str(gpt))
    assert isinstance(model.encoder, BackboneEncoder)
    assert isinstance(model.pooling, LastTokenPooling)
    assert is_causal(model.encoder)
    # Its vocabulary has a word at 0, so all ids are shifted by one.
    (ids,) = model.encode(["a good film"])
    assert min(ids) > 0 and model.tokenizer.offset == 1
    assert ids[-1] == model.tokenizer.end_id
    assert model.tokenizer.decode([ids[:-1]]) == ["a good film"]


@pytest.mark.parametrize("which", ["bert", "gpt"])
def test_padding_on_either_side_and_company_change_no_score(bert, gpt, which):
    model = pretrained_reward_model(str(bert[0] if which == "bert" else gpt))
    rows = model.encode(["a good film", "bad", "the film ! !"])
    alone = [float(np.array(model(np.array([row])))[0, 0]) for row in rows]
    for left in (False, True):
        width = 14
        ids = np.zeros((3, width), "int32")
        for i, row in enumerate(rows):
            ids[i, width - len(row) if left else 0 :][: len(row)] = row
        np.testing.assert_allclose(np.array(model(ids))[:, 0], alone, atol=1e-5)


@pytest.mark.parametrize("which", ["bert", "gpt"])
@pytest.mark.parametrize("rank", [0, 2])
def test_a_trained_model_is_saved_and_loaded_with_its_head(
    bert, gpt, which, rank, tmp_path
):
    folder = str(bert[0] if which == "bert" else gpt)
    pairs = [Preference("good film", "bad film", "the ") for _ in range(16)]
    before = pretrained_reward_model(folder, lora_rank=rank)
    model, history = train_preference_model(
        pairs,
        model=folder,
        epochs=3,
        batch_size=4,
        learning_rate=1e-2,
        out=tmp_path,
        progress=False,
        model_options={"lora_rank": rank},
    )
    assert len(history["loss"]) == 3
    good, bad = model.score(["good film", "bad film"], prompts=["the "] * 2)
    assert good > bad
    texts = ["the good film", "a bad film", ""]
    again = load_model(tmp_path)
    np.testing.assert_allclose(again.score(texts), model.score(texts), atol=1e-6)
    changed = np.abs(np.array(model.head.kernel) - np.array(before.head.kernel)).max()
    assert changed > 1e-4
    np.testing.assert_array_equal(again.head.kernel, model.head.kernel)
    if rank:
        trained = {v.name for v in model.trainable_variables}
        assert all("lora" in n or n in ("kernel", "bias") for n in trained), trained


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(RmkerasError, match=r"no model 'bert_tiny'.*did you mean bert_"):
        load_pretrained("bert_tiny")
    with pytest.raises(RmkerasError, match=r"holds no config\.json"):
        load_pretrained(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "nothing"}')
    with pytest.raises(RmkerasError, match="KerasHub could not load"):
        load_pretrained(str(tmp_path))
    with pytest.raises(RmkerasError, match="rmkeras data prepare minilm"):
        minilm_folder(tmp_path)


@needs_minilm
def test_minilm_knows_what_belongs_together():
    encoder = pretrained_reward_model("minilm")
    texts = ["A man is eating food.", "Someone eats a meal.", "The stock market fell."]
    ids = encoder.encode(texts)
    assert ids[0][0] == 101 and ids[0][-1] == 102
    width = max(map(len, ids))
    padded = np.array([row + [0] * (width - len(row)) for row in ids])
    mean = np.array(encoder.pooling(encoder.encoder(padded), mask=padded != 0))
    unit = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    near, far = unit[0] @ unit[1], unit[0] @ unit[2]
    assert near > 0.6 and far < 0.2
