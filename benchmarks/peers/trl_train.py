"""One run of TRL's RewardTrainer, in TRL's environment; prints one JSON line.

Called by `benchmarks/train_speed.py` with: data file, model folder, pairs a batch,
longest text in tokens, steps, precision.
"""

import json
import os
import resource
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from datasets import load_dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    TrainerCallback,
)
from trl import RewardConfig, RewardTrainer

file, folder, pairs, max_length, steps, precision = sys.argv[1:7]
grouped = "grouped" in sys.argv[7:]


class Clock(TrainerCallback):
    """Remembers when each step ended, and the processor's time at that point."""

    def __init__(self):
        self.times, self.cpu = [], []

    def on_train_begin(self, *args, **kwargs):
        self.begun = time.perf_counter()

    def on_step_end(self, *args, **kwargs):
        self.times.append(time.perf_counter())
        self.cpu.append(time.process_time())


tokenizer = AutoTokenizer.from_pretrained(folder)
if tokenizer.eos_token is None:
    # TRL 1.16 ends in a TypeError without one.
    tokenizer.eos_token = tokenizer.sep_token
model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)
data = load_dataset("json", data_files=file, split="train")
clock, tokens = Clock(), []
options = {}
if grouped:
    options = {"train_sampling_strategy": "group_by_length"}
    options["remove_unused_columns"] = False
config = RewardConfig(
    output_dir=tempfile.mkdtemp(),
    per_device_train_batch_size=int(pairs),
    max_steps=int(steps),
    max_length=int(max_length),
    learning_rate=1e-4,
    bf16=precision == "bfloat16",
    use_cpu=True,
    report_to=[],
    save_strategy="no",
    logging_strategy="no",
    disable_tqdm=True,
    seed=0,
    gradient_checkpointing=False,
    dataloader_pin_memory=False,
    **options,
)
trainer = RewardTrainer(
    model=model,
    args=config,
    train_dataset=data,
    processing_class=tokenizer,
    callbacks=[clock],
)
if grouped:
    # TRL's rows have no `input_ids`, from which the sampler would take lengths.
    rows = trainer.train_dataset
    ids = [name for name in rows.column_names if name.endswith("ids")]
    lengths = [max(len(row[name]) for name in ids) for row in rows]
    trainer.train_dataset = rows.add_column("length", lengths)
inner = trainer.data_collator


def collate(rows):
    batch = inner(rows)
    tokens.append((int(batch["attention_mask"].sum()), batch["attention_mask"].numel()))
    return batch


trainer.data_collator = collate
trainer.train()
print(
    json.dumps(
        {
            "begun": clock.begun,
            "times": clock.times,
            "cpu": clock.cpu,
            "tokens": [t for t, _ in tokens][: int(steps)],
            "places": [p for _, p in tokens][: int(steps)],
            "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "version": __import__("trl").__version__,
            "threads": torch.get_num_threads(),
        }
    )
)
