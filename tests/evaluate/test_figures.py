import subprocess
import sys

import numpy as np
from matplotlib.figure import Figure

from rmkeras.evaluate import plots, write_figures
from rmkeras.evaluate.figures import build_figures
from rmkeras.evaluate.images import panel_svg


def test_pngs_are_written(results, tmp_path):
    files = write_figures(results, tmp_path / "figures")
    assert [f.stem for f in files] == list(build_figures(results))
    assert "path" in build_figures(results)
    for file in files:
        assert file.read_bytes().startswith(b"\x89PNG")
        assert file.stat().st_size > 5000


def test_every_panel_has_named_axes_and_every_figure_a_sentence(results):
    for figure in build_figures(results).values():
        assert figure.title and figure.see.endswith(".")
        for panel in figure.panels:
            ax = Figure().add_subplot()
            panel.draw(ax)
            assert ax.get_xlabel(), figure.name
            assert ax.get_ylabel() or ax.get_yticklabels()[0].get_text()
            assert panel.alt.endswith(".")


def test_the_lines_are_the_data(results):
    rows = results["curves"]["reinforce_evaluations"]
    path = build_figures(results)["path"]
    ax = Figure().add_subplot()
    path.panels[0].draw(ax)
    reward, judge = ax.get_lines()
    np.testing.assert_allclose(reward.get_ydata(), [r["reward"] for r in rows])
    np.testing.assert_allclose(judge.get_ydata(), [r["judge"] for r in rows])
    assert [t.get_text() for t in ax.get_legend().get_texts()] == [
        "reward (proxy)",
        "held-out judge",
    ]
    variety = Figure().add_subplot()
    path.panels[2].draw(variety)
    line, floor = variety.get_lines()
    np.testing.assert_allclose(line.get_ydata(), [r["distinct2"] for r in rows])
    np.testing.assert_allclose(floor.get_ydata(), 0.7 * rows[0]["distinct2"])


def test_scatter_shows_the_better_model_and_its_r(results):
    figures = build_figures(results)
    ax = Figure().add_subplot()
    figures["scatter"].panels[0].draw(ax)
    tweets = results["predictions"]["tweets"]
    r = np.corrcoef(tweets["human"], tweets["lstm"])[0, 1]
    assert ax.get_title(loc="left") == f"Tweets, r = {r:.2f}"
    np.testing.assert_allclose(
        ax.collections[0].get_offsets(),
        np.column_stack([tweets["human"], tweets["lstm"]]),
    )
    for row in results["metrics"]["reward_model"]["transformer"]["pearson"]:
        results["metrics"]["reward_model"]["transformer"]["pearson"][row] = 0.99
    assert "Transformer" in build_figures(results)["scatter"].see


def test_against_kl_is_drawn_in_order_of_kl(results):
    rows = results["curves"]["reinforce_evaluations"]
    rows[3]["kl"], rows[4]["kl"] = rows[4]["kl"], rows[3]["kl"]
    ax = Figure().add_subplot()
    build_figures(results)["against_kl"].panels[0].draw(ax)
    for line in ax.get_lines():
        assert (np.diff(line.get_xdata()) >= 0).all()


def test_a_model_has_one_colour_everywhere_and_no_two_models_share_one():
    models = ["lstm", "transformer", "vader", "tfidf_ridge", "one_human"]
    assert len({plots.COLORS[m] for m in models}) == len(models)
    assert len({plots.MARKERS[m] for m in models}) == len(models)


def test_svg_is_stable_and_its_ids_have_the_name(results):
    panel = build_figures(results)["learning"].panels[0]
    first = panel_svg(panel, "one")
    assert first == panel_svg(panel, "one")
    assert 'id="one-' in first and "Date" not in first
    assert "<!DOCTYPE" not in first and "xmlns" not in first


def test_no_figure_stays_open_in_pyplot(results, tmp_path):
    from matplotlib import pyplot

    before = pyplot.get_fignums()  # Another test of this process may have left one.
    write_figures({"curves": results["curves"]}, tmp_path)
    assert pyplot.get_fignums() == before


def test_nothing_heavy_is_imported_with_the_package():
    code = (
        "import sys, rmkeras.evaluate, rmkeras.evaluate.baselines\n"
        "heavy = {'matplotlib', 'sklearn', 'tensorflow', 'jinja2', 'vaderSentiment'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
