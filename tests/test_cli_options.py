"""Options that cannot be are refused at once, before data and TensorFlow."""

import pytest

from rmkeras.cli import main
from rmkeras.errors import RmkerasError

REWARD = ["train-reward", "--data", "none.csv"]
LANGUAGE = ["train-lm", "--data", "none.txt"]
SFT = ["sft", "--data", "none.jsonl", "--model", "none"]
ALIGN = ["align", "--algorithm", "rloo", "--policy", "none", "--reward", "length:3"]


def refused(capsys, command):
    assert main([str(word) for word in command]) == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error


@pytest.mark.parametrize("command", [REWARD, LANGUAGE, SFT, ALIGN], ids=lambda c: c[0])
@pytest.mark.parametrize("rate", ["-1", "0", "nan", "inf", "fast"])
def test_a_learning_rate_is_a_finite_number_above_0(capsys, tmp_path, command, rate):
    command = [*command, f"--learning-rate={rate}", "--out", tmp_path / "o"]
    error = refused(capsys, command)
    assert f"'{rate}'; expected a number above 0" in error
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ([*REWARD, "--label-smoothing", "3"], "expected a number at least 0 and at"),
        ([*REWARD, "--centering=-1"], "'-1'; expected a number at least 0"),
        ([*REWARD, "--threshold", "nan"], "'nan'; expected a number"),
        ([*REWARD, "--vocabulary-size", "9"], "expected a whole number, 258 or more"),
        ([*REWARD, "--epochs", "abc"], "'abc'; expected a whole number, 1 or more"),
        ([*LANGUAGE, "--dropout", "1"], "expected a number at least 0 and below 1"),
        ([*LANGUAGE, "--heads", "3", "--dim", "16"], "--dim 16 is not divisible by"),
        (
            [*LANGUAGE, "--heads", "2", "--dim", "6", "--positions", "rotary"],
            "needs an even width",
        ),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else None,
)
def test_values_that_cannot_be_are_said_at_once(capsys, tmp_path, command, message):
    assert message in refused(capsys, [*command, "--out", tmp_path / "o"])


@pytest.mark.parametrize("command", [REWARD, LANGUAGE, SFT, ALIGN], ids=lambda c: c[0])
def test_an_out_that_cannot_be_is_said_at_once(capsys, tmp_path, command):
    file = tmp_path / "file.txt"
    file.write_text("kept", "utf8")
    assert "this is a file" in refused(capsys, [*command, "--out", file])
    assert file.read_text("utf8") == "kept"
    below = refused(capsys, [*command, "--out", file / "below"])
    assert "cannot be written" in below


def test_the_demo_names_an_out_that_cannot_be(capsys, tmp_path):
    (tmp_path / "file.txt").write_text("kept", "utf8")
    error = refused(capsys, ["demo", "--quick", "--out", tmp_path / "file.txt"])
    assert "this is a file" in error


def test_python_hears_what_a_class_says_about_an_option(tmp_path):
    from rmkeras.data import Preference, Rating
    from rmkeras.demo import run_demo
    from rmkeras.models.language_model import train_language_model
    from rmkeras.models.preference_training import train_preference_model
    from rmkeras.models.reward_training import recipe, train_reward_model

    with pytest.raises(RmkerasError, match="not divisible by 3 heads"):
        train_language_model(["a film"] * 4, vocabulary_size=260, dim=16, num_heads=3)
    pairs = [Preference("q", "good", "bad")] * 4
    with pytest.raises(RmkerasError, match="label_smoothing is 3"):
        train_preference_model(pairs, vocabulary_size=260, label_smoothing=3)
    assert recipe("lstm", learning_rate=0.0)[2] == 0.0
    file = tmp_path / "file"
    file.write_text("kept", "utf8")
    with pytest.raises(RmkerasError, match="cannot be written"):
        train_reward_model(
            [Rating("good", 1.0), Rating("bad", 0.0)] * 4,
            vocabulary_size=260,
            model_options={"dim": 4, "units": 4},
            progress=False,
            out=file,
        )
    with pytest.raises(RmkerasError, match="cannot be written"):
        run_demo(file, quick=True)


def test_help_says_what_is_taken_by_default(capsys):
    assert main(["train-reward", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    for part in (
        "--epochs EPOCHS passes over the data (default: what suits",
        "--threshold THRESHOLD for --loss bce",
        "--seed SEED decides",
        "--resume go on",
        "--out DIR folder",
    ):
        assert part in told
    assert main(["score", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "DIR a reward model's folder" in told and "FILE what to score" in told
    assert main(["align", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    for part in (
        "--whiten-rewards divide",
        "--reward-clip R cut",
        "--adapt {none,scale,lagging} weights",
        "--ensemble {mean,minimum,cautious} what",
        "--learning-rate LEARNING_RATE size",
    ):
        assert part in told


def test_weigh_names_the_file_and_the_type_that_it_holds(capsys, tmp_path):
    file = tmp_path / "answers.csv"
    file.write_text("prompt,completion\nhow?,so\nwhy?,because\n", "utf8")
    error = refused(capsys, ["data", "weigh", file, "--out", tmp_path / "w.csv"])
    assert f"{file}: raters can be weighed" in error
    assert "found records of type prompt-completion" in error


def test_launch_counts_restarts_from_0(capsys):
    error = refused(capsys, ["launch", "--restarts=-3", "--", "rmkeras"])
    assert "'-3'; expected a whole number, 0 or more" in error
