"""What the commands `train-reward`, `train-lm` and `sft` share."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from rmkeras._cli_models import add_json, positive
from rmkeras.errors import RmkerasError


def add_run_options(parser):
    """Adds the options that every training has.

    Args:
        parser: The command's parser.
    """
    add = parser.add_argument
    add("--accumulate", type=positive, default=1, help="batches for one update")
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
    add("--seed", type=int, default=0)
    add("--resume", action="store_true")
    add("--out", metavar="DIR", required=True)
    add_json(parser)


def run_options(arguments):
    """Turns these options into those of a training function.

    Args:
        arguments: What was parsed.

    Returns:
        A dict.

    Raises:
        RmkerasError: If `--out` holds a model and `--resume` is not given.
    """
    out = Path(arguments.out)
    if not arguments.resume and (out / "model.keras").exists():
        raise RmkerasError(
            f"{out} already holds a model; go on with --resume, or choose another --out"
        )
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
    if precision != "float32" and not _has_bfloat16():
        say(
            "note: this processor has no bfloat16 instructions; float32 would be faster"
        )


def _has_bfloat16():
    try:
        flags = Path("/proc/cpuinfo").read_text("utf8")
    except OSError:
        return True  # Not Linux: no way to tell, so no complaint.
    return "avx512_bf16" in flags or "amx_bf16" in flags or " bf16" in flags
