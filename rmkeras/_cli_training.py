"""What the commands `train-reward`, `train-lm` and `sft` share."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from rmkeras._cli_options import HUMAN_RATINGS, add_json, positive
from rmkeras.errors import RmkerasError
from rmkeras.quiet import import_tensorflow

RESTARTED = "RMKERAS_RESTARTED"
"""Set by `rmkeras launch --restarts`: go on if there is something to go on from."""


def add_run_options(parser):
    """Adds the options that every training has.

    Args:
        parser: The command's parser.
    """
    add = parser.add_argument
    add(
        "--accumulate",
        type=positive,
        default=1,
        help="batches for one update (default: 1)",
    )
    add(
        "--precision",
        choices=["float32", "mixed_bfloat16"],
        default="float32",
        help="mixed_bfloat16 is faster only where the processor has it",
    )
    add(
        "--patience",
        type=positive,
        metavar="N",
        help="stop after N epochs without a better score on --valid, keep the best",
    )
    add("--log-dir", metavar="DIR", help="curves for TensorBoard")
    add_strategy(parser)
    add("--seed", type=int, default=0, help="decides all that is random (default: 0)")
    add(
        "--resume",
        action="store_true",
        help="go on from what --out holds, with the same data and options; only "
        "--epochs may be more",
    )
    add("--out", metavar="DIR", required=True, help="folder that the model is saved in")
    add_json(parser)


def add_strategy(parser):
    """Adds the option `--strategy`.

    Args:
        parser: The command's parser.
    """
    parser.add_argument(
        "--strategy",
        default="auto",
        metavar="NAME",
        help="auto, one, mirrored, mirrored:N (logical devices of the processor), "
        "multi-worker (see rmkeras launch), tpu; auto takes what is there",
    )


def begin(arguments):
    """Imports TensorFlow and makes the strategy, in the order that both need.

    Args:
        arguments: What was parsed, with `strategy`.

    Returns:
        Keras; the strategy, `None` if nothing is shared out; and whether this
        process speaks for all.
    """
    made = []

    def first():
        from rmkeras.distribute import strategy
        from rmkeras.distribute.strategies import resolved

        if arguments.strategy != "auto" or resolved("auto") != "one":
            made.append(strategy(arguments.strategy))

    _, keras = import_tensorflow(first)
    return keras, (made or [None])[0], is_chief()


def read_by_tensorflow(*names):
    """Whether data are read by TensorFlow itself.

    A strategy has to be made before TensorFlow runs anything, so `begin` comes first
    then. Other files are read before anything slow is imported.

    Args:
        *names: What was given to `--data` and `--valid`, or `None`.

    Returns:
        A bool.
    """
    return any(n and (n == HUMAN_RATINGS or n.startswith("tfds:")) for n in names)


def is_chief():
    """Whether this process speaks for all workers.

    Returns:
        A bool.
    """
    from rmkeras.distribute import cluster_of

    return cluster_of()[1] == 0


def check_new(arguments):
    """Makes the folder of a run, and refuses to write over another one.

    Args:
        arguments: What was parsed, with `out` and `resume`.

    Raises:
        RmkerasError: If `--out` cannot be made, or holds a model and `--resume` is
            not given.
    """
    out = Path(arguments.out)
    found = (out / "model.keras").exists() or (out / "checkpoints").exists()
    if arguments.resume and not found and os.environ.get(RESTARTED):
        # The launcher cannot know whether a worker was lost before the first save.
        arguments.resume = False
    # The chief alone: a slower worker would find what the chief has just written.
    if found and not arguments.resume and is_chief():
        raise RmkerasError(
            f"{out} already holds a model; go on with --resume, or choose another --out"
        )
    if is_chief():
        make_out(out)


def make_out(out):
    """Makes sure that the folder of a run can be made, before anything slow begins.

    What it makes to find out is taken away: a run that fails leaves no empty folder.

    Args:
        out: What was given to `--out`.

    Raises:
        RmkerasError: If it is a file, or cannot be made or written.
    """
    out = Path(out)
    missing = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise RmkerasError(
            f"--out {out}: this is a file; expected a folder, or a name that is free"
        ) from error
    except OSError as error:
        raise RmkerasError(
            f"--out {out}: cannot be written ({error.strerror}); choose another --out"
        ) from error
    if not os.access(out, os.W_OK | os.X_OK):
        raise RmkerasError(
            f"--out {out}: cannot be written (no permission); choose another --out"
        )
    for folder in missing:
        folder.rmdir()


def run_options(arguments):
    """Turns these options into those of a training function.

    Args:
        arguments: What was parsed.

    Returns:
        A dict.

    Raises:
        RmkerasError: If `--out` cannot be made, or holds a model and `--resume` is
            not given.
    """
    out = Path(arguments.out)
    check_new(arguments)
    again = [a for a in sys.argv[1:] if a != "--resume"] + ["--resume"]
    return {
        "epochs": arguments.epochs,
        "batch_size": arguments.batch_size,
        "accumulate": arguments.accumulate,
        "learning_rate": arguments.learning_rate,
        "seed": arguments.seed,
        "out": out,
        "resume": arguments.resume,
        "patience": arguments.patience,
        "log_dir": arguments.log_dir,
        "how_to_resume": f"rmkeras {shlex.join(again)}",
    }


def set_precision(keras, precision, say):
    """Sets the dtype policy, and says where it will be slower.

    Args:
        keras: The module.
        precision: The option's value.
        say: Takes a line.
    """
    keras.config.set_dtype_policy(precision)
    if precision != "float32" and not has_bfloat16():
        say(
            "note: this processor has no bfloat16 instructions; float32 would be faster"
        )


def has_bfloat16():
    """Whether this processor multiplies in bfloat16."""
    try:
        flags = Path("/proc/cpuinfo").read_text("utf8")
    except OSError:
        return True  # Not Linux: no way to tell, so no complaint.
    return "avx512_bf16" in flags or "amx_bf16" in flags or " bf16" in flags
