"""What train-reward says at its end."""

import json

import pytest

from rmkeras.cli import main


@pytest.mark.parametrize("held_out", [False, True])
def test_a_score_on_what_was_learned_is_called_that(tmp_path, capsys, held_out):
    data = tmp_path / "ratings.jsonl"
    rows = [{"text": "good " * (i % 5) + "film", "rating": i % 5} for i in range(30)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf8")
    command = ["train-reward", "--model", "ngrams", "--epochs", "1"]
    command += ["--vocabulary-size", "280", "--data", str(data)]
    command += ["--valid", str(data)] if held_out else []
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert ("on these records themselves" in said) != held_out
    assert ("val_pearson" in said) == held_out
