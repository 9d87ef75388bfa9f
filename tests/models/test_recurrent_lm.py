import keras
import numpy as np
import pytest

from rmkeras.models import RecurrentLM, load_model
from rmkeras.models.language_model import perplexity, train_language_model
from rmkeras.rl import Sampler
from rmkeras.text import SubwordTokenizer, pad

TEXTS = ["this film is not a good film", "a good film", "not this"] * 4


@pytest.fixture(scope="module", params=["lstm", "gru"])
def model(request):
    keras.utils.set_random_seed(0)
    tokenizer = SubwordTokenizer.train(TEXTS, 290)
    model = RecurrentLM(tokenizer, request.param, 8, 12, num_layers=2, max_length=30)
    model.set_weights([2 * w for w in model.get_weights()])
    return model


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(model, ids):
    """Logits of one text by a loop in NumPy."""
    table = np.array(model.token_table, "float64")
    x = table[ids]
    for layer in model.layers_:
        kernel, recurrent, bias = (np.array(w, "float64") for w in layer.weights)
        h, c, out = np.zeros(model.units), np.zeros(model.units), []
        for row in x:
            if model.cell == "lstm":
                i, f, g, o = np.split(row @ kernel + h @ recurrent + bias, 4)
                c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
                h = sigmoid(o) * np.tanh(c)
            else:
                zx, rx, nx = np.split(row @ kernel + bias[0], 3)
                zh, rh, nh = np.split(h @ recurrent + bias[1], 3)
                z, r = sigmoid(zx + zh), sigmoid(rx + rh)
                h = z * h + (1 - z) * np.tanh(nx + r * nh)
            out.append(h)
        x = np.array(out)
    hidden = x @ np.array(model.project.kernel, "float64")
    return hidden @ table.T + np.array(model.bias)


def test_logits_equal_a_loop_in_numpy(model):
    (ids,) = model.encode(["this film is good"])
    ours = np.array(model(np.array([ids])))[0]
    np.testing.assert_allclose(ours[:, 1:], by_hand(model, ids)[:, 1:], atol=1e-4)
    assert (ours[:, 0] < -1e8).all()


@pytest.mark.parametrize("left", [False, True])
def test_padding_changes_nothing(model, left):
    rows = model.encode(["a good film", "not"])
    alone = [np.array(model(np.array([row])))[0] for row in rows]
    padded = np.array(model(pad(rows, 14, left=left)))
    for row, expected, found in zip(rows, alone, padded, strict=True):
        part = found[14 - len(row) :] if left else found[: len(row)]
        np.testing.assert_allclose(part, expected, atol=1e-5)


def test_the_sampler_knows_its_probabilities(model):
    found = Sampler(model, 9)(["a good", "", "this film is"], seed=1)
    ids = np.array(found.sequence())
    logits = np.array(model(ids[:, :-1]), "float64")[:, -9:]
    logits -= logits.max(-1, keepdims=True)
    full = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    taken = np.take_along_axis(full, np.array(found.ids)[..., None], -1)[..., 0]
    mask = np.array(found.mask)
    np.testing.assert_allclose(np.array(found.log_probs)[mask], taken[mask], atol=1e-4)


def test_it_survives_its_file(model, tmp_path):
    model.save(tmp_path / "model.keras")
    again = load_model(tmp_path, RecurrentLM)
    x = pad(model.encode(["a good film"]))
    np.testing.assert_allclose(again(x), model(x), atol=1e-6)


def test_it_learns():
    model, history = train_language_model(
        TEXTS * 10,
        TEXTS[:3],
        vocabulary_size=290,
        dim=16,
        num_layers=1,
        architecture="gru",
        model_options={"units": 32},
        epochs=8,
        batch_size=8,
        learning_rate=1e-2,
        progress=False,
    )
    assert history["val_loss"][-1] < history["val_loss"][0]
    assert perplexity(model, TEXTS[:3]) < 5


def test_an_unknown_cell_is_refused(model):
    with pytest.raises(ValueError, match="'lstm' or 'gru'"):
        RecurrentLM(model.tokenizer, "rnn")
