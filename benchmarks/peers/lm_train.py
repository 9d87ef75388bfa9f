"""One run of transformers' `Trainer` on a GPT-2, in its own environment.

Called by `benchmarks/lm_train_speed.py` with: file of packed rows, heads, layers,
width, rows a batch, steps, precision. Prints one JSON line.
"""

import json
import resource
import sys
import tempfile
import time

import numpy as np
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

file, heads, layers, dim, rows, steps, precision = sys.argv[1:8]
data = np.load(file)
ids, vocabulary = data["ids"], int(data["vocabulary"])


class Clock(TrainerCallback):
    """Remembers when each step ended, and the processor's time at that point."""

    def __init__(self):
        self.times, self.cpu = [], []

    def on_train_begin(self, *args, **kwargs):
        self.begun = time.perf_counter()

    def on_step_end(self, *args, **kwargs):
        self.times.append(time.perf_counter())
        self.cpu.append(time.process_time())


class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return len(ids)

    def __getitem__(self, i):
        row = torch.tensor(ids[i], dtype=torch.long)
        return {"input_ids": row, "labels": torch.where(row > 0, row, -100)}


model = GPT2LMHeadModel(
    GPT2Config(
        vocab_size=vocabulary,
        n_positions=ids.shape[1],
        n_embd=int(dim),
        n_layer=int(layers),
        n_head=int(heads),
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        use_cache=False,
    )
)
clock = Clock()
trainer = Trainer(
    model=model,
    args=TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=int(rows),
        max_steps=int(steps),
        learning_rate=1e-3,
        lr_scheduler_type="cosine",
        warmup_steps=2,
        bf16=precision == "bfloat16",
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        seed=0,
        dataloader_pin_memory=False,
    ),
    train_dataset=Rows(),
    callbacks=[clock],
)
loss = trainer.train().training_loss
print(
    json.dumps(
        {
            "begun": clock.begun,
            "times": clock.times,
            "cpu": clock.cpu,
            "loss": loss,
            "parameters": sum(p.numel() for p in model.parameters()),
            "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
    )
)
