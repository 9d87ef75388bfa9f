"""GPT-2 in a Hugging Face folder and as a KerasHub preset, as a `CausalLM`."""

import json

import keras_hub
import numpy as np
import pytest
from scipy.special import log_softmax
from tokenizers import ByteLevelBPETokenizer

from rmkeras.cli import main
from rmkeras.errors import RmkerasError
from rmkeras.models import CausalLM, load_model
from rmkeras.models.gpt2 import load_gpt2
from rmkeras.rl import Sampler

LAYERS, DIM, HEADS, PLACES = 2, 8, 2, 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny GPT-2 as Hugging Face's `save_pretrained` lays it out."""
    from safetensors.numpy import save_file

    folder = tmp_path_factory.mktemp("gpt2")
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(["a good film!"] * 5, 300, special_tokens=["<|endoftext|>"])
    bpe.save_model(str(folder))
    size = bpe.get_vocab_size()
    rng = np.random.default_rng(0)

    def matrix(*shape):
        return rng.normal(0, 0.4, shape).astype("float32")

    weights = {
        "wte.weight": matrix(size, DIM),
        "wpe.weight": matrix(PLACES, DIM),
        "ln_f.weight": 1 + matrix(DIM),
        "ln_f.bias": matrix(DIM),
    }
    shapes = {
        "attn.c_attn": (DIM, 3 * DIM),
        "attn.c_proj": (DIM, DIM),
        "mlp.c_fc": (DIM, 4 * DIM),
        "mlp.c_proj": (4 * DIM, DIM),
    }
    for i in range(LAYERS):
        for name, shape in shapes.items():
            weights[f"h.{i}.{name}.weight"] = matrix(*shape)
            weights[f"h.{i}.{name}.bias"] = matrix(shape[1])
        for name in ("ln_1", "ln_2"):
            weights[f"h.{i}.{name}.weight"] = 1 + matrix(DIM)
            weights[f"h.{i}.{name}.bias"] = matrix(DIM)
    save_file(weights, folder / "model.safetensors")
    config = {
        "model_type": "gpt2",
        "vocab_size": size,
        "n_layer": LAYERS,
        "n_head": HEADS,
        "n_embd": DIM,
        "n_inner": None,
        "n_positions": PLACES,
        "resid_pdrop": 0.1,
        "activation_function": "gelu_new",
    }
    (folder / "config.json").write_text(json.dumps(config))
    kind = {"tokenizer_class": "GPT2Tokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(kind))
    return folder, weights


def by_hand(weights, ids):
    """GPT-2's logits for one text, in NumPy."""
    w = {k: v.astype("float64") for k, v in weights.items()}

    def norm(x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def dense(x, name):
        return x @ w[f"{name}.weight"] + w[f"{name}.bias"]

    x = w["wte.weight"][ids] + w["wpe.weight"][: len(ids)]
    for i in range(LAYERS):
        q, k, v = np.split(dense(norm(x, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn"), 3, -1)
        heads = []
        for part in np.split(np.arange(DIM), HEADS):
            z = q[:, part] @ k[:, part].T / np.sqrt(len(part))
            z[np.triu_indices(len(ids), 1)] = -np.inf
            e = np.exp(z - z.max(-1, keepdims=True))
            heads.append(e / e.sum(-1, keepdims=True) @ v[:, part])
        x = x + dense(np.concatenate(heads, -1), f"h.{i}.attn.c_proj")
        h = dense(norm(x, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc")
        h = 0.5 * h * (1 + np.tanh(np.sqrt(2 / np.pi) * (h + 0.044715 * h**3)))
        x = x + dense(h, f"h.{i}.mlp.c_proj")
    return norm(x, "ln_f") @ w["wte.weight"].T


def test_logits_are_gpt2s(folder):
    folder, weights = folder
    model = load_gpt2(str(folder))
    (ids,) = model.tokenizer.encode(["a good film! xyz"])
    theirs = np.array(ids) - 1
    ours = np.array(model(np.array([ids])))[0, :, 1:]
    np.testing.assert_allclose(ours, by_hand(weights, theirs), atol=1e-4)
    backbone = keras_hub.models.Backbone.from_preset(str(folder))
    hidden = backbone(
        {"token_ids": theirs[None], "padding_mask": np.ones((1, len(theirs)), bool)}
    )
    hub = np.array(backbone.token_embedding(hidden, reverse=True))[0]
    np.testing.assert_allclose(ours, hub, atol=1e-4)


def test_a_keras_hub_preset_is_the_same_model(folder, tmp_path):
    folder, _ = folder
    keras_hub.models.Backbone.from_preset(str(folder)).save_to_preset(tmp_path)
    keras_hub.models.Tokenizer.from_preset(str(folder)).save_to_preset(tmp_path)
    a, b = load_gpt2(str(folder)), load_gpt2(str(tmp_path))
    rows = a.encode_prompts(["a good film"])
    assert rows == b.encode_prompts(["a good film"])
    np.testing.assert_allclose(a(np.array(rows)), b(np.array(rows)), atol=1e-5)


def test_it_samples_and_ends_at_its_own_end_of_text(folder, tmp_path):
    model = load_gpt2(str(folder[0]))
    end = model.tokenizer.end_id
    found = Sampler(model, 12)(["a", "a good film"], seed=0, samples=20)
    ids, ended = np.array(found.ids), np.array(found.ended)
    np.testing.assert_array_equal((ids == end).any(1), ended)
    sequence = np.array(found.sequence())
    full = log_softmax(np.array(model(sequence[:, :-1]), "float64"), -1)
    taken = np.take_along_axis(full, sequence[:, 1:, None], -1)[:, -12:, 0]
    mask = np.array(found.mask)
    np.testing.assert_allclose(np.array(found.log_probs)[mask], taken[mask], atol=1e-3)
    model.save(tmp_path / "model.keras")
    again = Sampler(load_model(tmp_path, CausalLM), 12)(["a"], seed=3)
    np.testing.assert_array_equal(again.ids, Sampler(model, 12)(["a"], seed=3).ids)


def test_the_command_trains_it_further(folder, tmp_path, capsys):
    file = tmp_path / "texts.txt"
    file.write_text("a good film!\n" * 40, "utf8")
    command = ["train-lm", "--data", str(file), "--model", str(folder[0])]
    command += ["--out", str(tmp_path / "out"), "--valid", str(file), "--json"]
    assert main([*command, "--epochs", "40", "--learning-rate", "0.02"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["perplexity"] < 30 and result["n"] == 40


def test_another_model_is_refused(tmp_path):
    with pytest.raises(RmkerasError, match="no model"):
        load_gpt2(str(tmp_path / "nothing"))
