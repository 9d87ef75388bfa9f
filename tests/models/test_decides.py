"""A run goes on with its own data and options, or not at all."""

import json
import shutil

import pytest

from rmkeras.data import Preference, PromptCompletion, Rating
from rmkeras.errors import RmkerasError
from rmkeras.models.aspect_training import train_aspect_model
from rmkeras.models.decides import described_model, run_decides
from rmkeras.models.language_model import train_language_model
from rmkeras.models.masked_lm import train_masked_model
from rmkeras.models.preference_training import train_preference_model
from rmkeras.models.reward_training import train_reward_model
from rmkeras.models.sft import train_sft
from rmkeras.models.training import saved_state

RATINGS = [Rating(f"film {i} is good", float(i % 5)) for i in range(24)]
PAIRS = [Preference(f"q{i}? ", "good film", "bad film") for i in range(24)]
SMALL = {
    "epochs": 1,
    "batch_size": 8,
    "vocabulary_size": 300,
    "progress": False,
    "model_options": {"dim": 8, "units": 6},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    train_reward_model(RATINGS, out=out, **SMALL)
    return out


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"learning_rate": 0.5}, r"learning_rate was 0.002, is 0.5\."),
        ({"batch_size": 4}, r"batch_size was 8, is 4\."),
        ({"seed": 3}, r"seed was 0, is 3\."),
        ({"accumulate": 2}, r"accumulate was 1, is 2\."),
        ({"loss": "mse"}, r"loss was huber, is mse\."),
        ({"model_options": {"dim": 9, "units": 6}}, "model_options was"),
        ({"records": RATINGS[:-1]}, r"data was 24 records .*, is 23 records"),
        (
            {"records": [*RATINGS[:-1], Rating("film 23 is good", 0.0)]},
            r"data was 24 records \(sha256 .*, is 24 records",
        ),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_other_data_or_options_are_refused(run, changed, message):
    before = (run / "model.keras").read_bytes()
    options = {"records": RATINGS, **SMALL, **changed}
    with pytest.raises(RmkerasError, match=message) as refused:
        train_reward_model(out=run, resume=True, **options)
    assert "leave out --resume" in str(refused.value)
    assert (run / "model.keras").read_bytes() == before


def test_another_task_is_refused(run):
    with pytest.raises(RmkerasError, match="kind was ratings, is comparisons"):
        train_preference_model(PAIRS, out=run, resume=True, **SMALL)


def test_more_epochs_and_streamed_records_go_on(run, tmp_path):
    out = shutil.copytree(run, tmp_path / "run")
    options = {**SMALL, "epochs": 2}
    _, history = train_reward_model(
        lambda: iter(RATINGS), out=out, resume=True, **options
    )
    assert len(history["loss"]) == 2


def test_a_run_of_a_version_that_kept_no_options_goes_on(run, tmp_path, monkeypatch):
    from rmkeras.models import training

    out = shutil.copytree(run, tmp_path / "run")

    def as_before(folder):
        return {k: v for k, v in saved_state(folder).items() if k != "decides"}

    monkeypatch.setattr(training, "saved_state", as_before)
    options = {**SMALL, "learning_rate": 0.5}
    _, history = train_reward_model(RATINGS, out=out, resume=True, **options)
    assert len(history["loss"]) == 1


def test_the_loop_of_several_devices_refuses_too(run, tmp_path):
    out = tmp_path / "loop"
    options = {**SMALL, "strategy": "one"}
    train_reward_model(RATINGS, out=out, **options)
    for more in ({"strategy": "one"}, {}):
        with pytest.raises(RmkerasError, match=r"learning_rate was 0.002, is 0.5"):
            train_reward_model(
                RATINGS, out=out, resume=True, learning_rate=0.5, **SMALL, **more
            )
    _, history = train_reward_model(
        RATINGS, out=out, resume=True, **{**options, "epochs": 2}
    )
    assert len(history["loss"]) == 2
    # What `fit` began is not taken over by another run either.
    begun = shutil.copytree(run, tmp_path / "begun")
    with pytest.raises(RmkerasError, match="seed was 0, is 1"):
        train_reward_model(RATINGS, out=begun, resume=True, seed=1, **options)
    assert not (begun / "checkpoints").exists()


def test_comparisons_aspects_and_language_models_refuse_too(tmp_path):
    texts = [r.text for r in RATINGS]
    aspects = [Rating(r.text, r.rating, aspect=a) for r in RATINGS for a in "ab"]
    small = {k: v for k, v in SMALL.items() if k != "model_options"}
    tiny = {**small, "dim": 8, "num_layers": 1, "num_heads": 2, "max_length": 16}
    masked = {"dim": 8, "num_layers": 1, "num_heads": 2, "max_length": 16}
    model, _ = train_language_model(texts, out=tmp_path / "lm", **tiny)
    tuned = {k: v for k, v in small.items() if k != "vocabulary_size"}
    rows = [PromptCompletion(f"q{i}", "good") for i in range(16)]

    def refuses(train, *args, name, **options):
        out = tmp_path / name
        if name != "lm":
            train(*args, out=out, **options)
        with pytest.raises(RmkerasError, match=r"learning_rate was .*, is 0.25"):
            train(*args, out=out, resume=True, **{**options, "learning_rate": 0.25})

    refuses(train_preference_model, PAIRS, name="pairs", **SMALL)
    refuses(train_aspect_model, aspects, name="aspects", **SMALL)
    refuses(train_language_model, texts, name="lm", **tiny)
    refuses(train_masked_model, texts, name="masked", **small, model_options=masked)
    refuses(train_sft, model, rows, name="sft", decides={"model": "a"}, **tuned)
    with pytest.raises(RmkerasError, match="model was a, is b"):
        train_sft(
            model,
            rows,
            out=tmp_path / "sft",
            resume=True,
            decides={"model": "b"},
            **tuned,
        )


def test_what_is_compared_can_be_written_and_does_not_depend_on_the_folder(tmp_path):
    assert run_decides(None, RATINGS) is None
    assert json.dumps(run_decides("out", RATINGS, seed=1))
    assert run_decides("a", RATINGS) == run_decides("b", lambda: iter(RATINGS))
    for folder, weights in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / folder / "lm").mkdir(parents=True)
        (tmp_path / folder / "lm" / "model.keras").write_bytes(weights)
    first, moved, other = (described_model(tmp_path / f / "lm") for f in "abc")
    assert first == moved != other
    assert described_model("lstm") == "lstm"
