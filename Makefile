# Everything a newcomer needs: `make demo` and `make test` set themselves up.
# The first one that runs and is new enough: a name on the PATH may be an empty shim.
PYTHON ?= $(shell for p in python3 python3.12 python3.13 python3.11; do $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { command -v $$p; exit; }; done; echo python3)
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= runs/demo

export RMKERAS_DATA_DIR ?= $(CURDIR)/data/cache
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: help setup data demo test test-unit test-notebooks lab lint format bench bench-quality bench-pretrained bench-train bench-generate bench-language bench-align bench-walks bench-overoptimization bench-rl lock clean

help:
	@echo "make demo           reward model, language model, REINFORCE, report (minutes)"
	@echo "make test           unit tests, then the notebooks"
	@echo "make lab            JupyterLab on the notebooks"
	@echo "make bench          everything that is measured; slow"
	@echo "make bench-quality  reward models on the human ratings, 3 seeds"
	@echo "make bench-pretrained  MiniLM on the human ratings"
	@echo "make bench-train    training speed beside TRL and plain Keras"
	@echo "make bench-generate  sampling speed beside KerasHub and transformers"
	@echo "make bench-align    all RL methods against a learned reward, 3 seeds"
	@echo "make bench-walks    all methods on the random walks, 5 seeds"
	@echo "make bench-overoptimization  gold against proxy reward"
	@echo "make bench-rl       one RL step beside TRL and a PyTorch loop"
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

# One file after another on each of two workers: within a file fixtures are shared.
test-unit: data
	$(BIN)/python -m pytest -n 2 --dist loadfile

# A notebook is one kernel, so its cells have to stay on one worker.
test-notebooks: data
	$(BIN)/python -m pytest -n 2 --dist loadfile -p no:cacheprovider --nbval --nbval-cell-timeout 300 notebooks

lab: data
	$(BIN)/jupyter lab --notebook-dir notebooks

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: bench-quality bench-pretrained bench-train bench-generate bench-language bench-align bench-walks bench-overoptimization bench-rl

bench-quality: data
	$(BIN)/python benchmarks/quality.py

bench-pretrained: data
	$(BIN)/python benchmarks/pretrained.py --ratings

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

# TRL and PyTorch run in an environment of their own; without it they are left out.
bench-rl: setup
	$(BIN)/python benchmarks/rl_step.py

# numpy and scipy are held at versions that have wheels for 3.11, 3.12 and 3.13.
lock:
	$(BIN)/python -m pip install --quiet uv
	printf 'numpy==2.4.6\nscipy==1.17.1\n' > .constraints.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-annotate --no-header --constraint .constraints.txt pyproject.toml -o requirements.txt
	rm -f .constraints.txt

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache runs
