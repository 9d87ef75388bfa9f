# Everything a newcomer needs: `make demo` and `make test` set themselves up.
# The first one that runs and is new enough: a name on the PATH may be an empty shim.
PYTHON ?= $(shell for p in python3 python3.12 python3.13 python3.11; do $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { command -v $$p; exit; }; done; echo python3)
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= runs/demo

export RMKERAS_DATA_DIR ?= $(CURDIR)/data/cache
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: help setup data browser demo test test-unit test-notebooks lab assignments grade translations site linkcheck matrix lint format bench bench-quality bench-pretrained bench-train bench-generate bench-language bench-align bench-walks bench-overoptimization bench-rl bench-active bench-annotate bench-applications bench-sentiment bench-augmentation bench-train-scaling bench-lm-train bench-faults bench-scaling lock clean

help:
	@echo "make demo           reward model, language model, REINFORCE, report (minutes)"
	@echo "make test           unit tests, then the notebooks"
	@echo "make lab            JupyterLab on the notebooks"
	@echo "make assignments    the students' version of the exercises"
	@echo "make grade          grade what students handed in"
	@echo "make translations   what is behind in the Chinese"
	@echo "make site           the course and the API reference as static pages"
	@echo "make linkcheck      ask every address that the site links to"
	@echo "make matrix         every notebook under strict nbval in eight settings"
	@echo "make bench          everything that is measured; slow"
	@echo "make bench-quality  reward models on the human ratings, 3 seeds"
	@echo "make bench-pretrained  MiniLM on the human ratings, 3 seeds and their average"
	@echo "make bench-train    training speed beside TRL and plain Keras"
	@echo "make bench-generate  sampling speed beside KerasHub and transformers"
	@echo "make bench-align    all RL methods against a learned reward, 3 seeds"
	@echo "make bench-walks    all methods on the random walks, 5 seeds"
	@echo "make bench-overoptimization  gold against proxy reward"
	@echo "make bench-rl       one RL step beside TRL and a PyTorch loop"
	@echo "make bench-active   raters who click, and active against random order"
	@echo "make bench-annotate  fifty raters at once, ten kill -9 of the server"
	@echo "make bench-applications  six applications, before and after RL"
	@echo "make bench-sentiment  film reviews, beside TF-IDF"
	@echo "make bench-augmentation  what text augmentation brings"
	@echo "make bench-train-scaling  time against tokens, memory against data"
	@echo "make bench-lm-train  pretraining speed beside transformers"
	@echo "make bench-faults   kill, pause and starve workers, 20 rounds"
	@echo "make bench-scaling  the loop against fit; the cost model"
	@echo "make bench-language  perplexity of n-grams, LSTM, GRU, Transformer"
	@echo "make lint           ruff, check and format"

# The stamp holds the requirements' checksum: a second run finds it and is done.
SUM := $(shell cat requirements.txt pyproject.toml | cksum | tr -d ' ')
STAMP := $(VENV)/.installed-$(SUM)

$(STAMP):
	@"$(PYTHON)" -c 'import sys; v=sys.version_info[:2]; sys.exit(0 if (3,11)<=v<=(3,13) else "rmkeras needs Python 3.11, 3.12 or 3.13; $(PYTHON) is %d.%d. Name one: make PYTHON=python3.12 …" % v)'
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@echo "Installing about 3 GB into $(VENV); this happens once."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@rm -f $(VENV)/.installed-*
	@touch $@

setup: $(STAMP)

# Prints one line and does nothing if the data are there.
data: setup
	@$(BIN)/rmkeras data prepare human-ratings
	@$(BIN)/rmkeras data prepare minilm

demo: data
	@$(BIN)/rmkeras demo --out $(OUT)

test: test-unit test-notebooks

# The page's tests drive a Chromium. On machines of continuous integration it is
# installed; anywhere else those tests are skipped, with a reason, if there is none.
browser:
	@if [ "$$CI" = true ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! command -v chromium >/dev/null; then \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 || echo "Chromium could not be installed; the page's tests will be skipped"; fi

# One file after another on each of two workers: within a file fixtures are shared.
test-unit: data browser
	$(BIN)/python -m pytest -n 2 --dist loadfile

# A notebook is one kernel, so its cells have to stay on one worker.
test-notebooks: data
	$(BIN)/python -m pytest -n 2 --dist loadfile -p no:cacheprovider --nbval --nbval-cell-timeout 300 notebooks/*.ipynb

lab: data
	$(BIN)/jupyter lab --notebook-dir notebooks

assignments: setup
	@$(BIN)/python notebooks/exercises/manage.py assignments

# Grading runs what students wrote: see notebooks/exercises/README.md.
grade: data
	@$(BIN)/python notebooks/exercises/manage.py grade $(if $(ASSIGNMENT),--assignment $(ASSIGNMENT)) $(if $(STUDENT),--student $(STUDENT))

# What a release needs: every translation there, none behind, no formula mistyped.
translations: setup
	@$(BIN)/python tools/translate.py status --strict
	@$(BIN)/python tools/translate.py check

# Chinese first: the site shows each notebook in both languages.
site: setup
	@$(BIN)/python tools/translate.py build
	@rm -rf build/site build/site-source build/site-doctrees; mkdir -p build/site-source
	$(BIN)/python -m sphinx -c docs -d build/site-doctrees -q -W --keep-going build/site-source build/site
	@echo "The site: build/site/index.html"

# Asks every address outside; needs the network.
linkcheck: setup
	@mkdir -p build/site-source
	$(BIN)/python -m sphinx -c docs -d build/site-doctrees -q -b linkcheck build/site-source build/linkcheck

# One environment for each version of Python that is there.
MATRIX_PYTHONS ?= 3.12 3.13
matrix: data
	@for v in $(MATRIX_PYTHONS); do command -v python$$v >/dev/null && $(MAKE) --no-print-directory setup VENV=.venv-$$v PYTHON=python$$v; done; true
	@$(BIN)/python tools/notebook_matrix.py $(foreach v,$(MATRIX_PYTHONS),--environment $(v)=.venv-$(v)/bin/python)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/badges.py --check

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: bench-annotate bench-applications bench-sentiment bench-augmentation bench-train-scaling bench-lm-train bench-faults bench-scaling bench-quality bench-pretrained bench-train bench-generate bench-language bench-align bench-walks bench-overoptimization bench-rl bench-active

bench-quality: data
	$(BIN)/python benchmarks/quality.py

bench-pretrained: data
	$(BIN)/python benchmarks/pretrained.py --ratings --members 3 --out runs/pretrained

# TRL runs in an environment of its own; without it it is left out.
bench-train: data
	$(BIN)/python benchmarks/train_speed.py

bench-generate: setup
	$(BIN)/python benchmarks/generate.py

bench-language: data
	$(BIN)/python benchmarks/language_models.py

# The demo's models are what is aligned; they are trained if they are not there.
$(OUT)/metrics.json: | data
	@$(BIN)/rmkeras demo --out $(OUT)

bench-align: $(OUT)/metrics.json
	$(BIN)/python benchmarks/alignment.py --models $(OUT)

bench-walks: setup
	$(BIN)/python benchmarks/random_walks.py

bench-overoptimization: $(OUT)/metrics.json
	$(BIN)/python benchmarks/overoptimization.py --models $(OUT)

bench-active: data
	$(BIN)/python benchmarks/active_comparisons.py

# TRL and PyTorch run in an environment of their own; without it they are left out.
bench-rl: setup
	$(BIN)/python benchmarks/rl_step.py

bench-annotate: setup
	$(BIN)/python benchmarks/annotate_load.py

bench-applications: $(OUT)/metrics.json
	$(BIN)/python benchmarks/applications.py --models $(OUT)

bench-sentiment: data
	$(BIN)/python benchmarks/sentiment.py

bench-augmentation: data
	$(BIN)/python benchmarks/augmentation.py

bench-train-scaling: data
	$(BIN)/python benchmarks/train_scaling.py

bench-lm-train: data
	$(BIN)/python benchmarks/lm_train_speed.py

bench-faults: setup
	$(BIN)/python benchmarks/faults.py --rounds 20

bench-scaling: setup
	$(BIN)/python benchmarks/loop_overhead.py
	$(BIN)/python benchmarks/cost_model.py

# numpy and scipy are held at versions that have wheels for 3.11, 3.12 and 3.13.
lock:
	$(BIN)/python -m pip install --quiet uv
	printf 'numpy==2.4.6\nscipy==1.17.1\n' > .constraints.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra tensorboard --extra annotate --extra notebooks --extra course --extra site --extra dev --no-annotate --no-header --constraint .constraints.txt pyproject.toml -o requirements.txt
	rm -f .constraints.txt

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache runs
