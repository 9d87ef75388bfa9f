"""One run of transformers' `generate`, in its own environment; prints one JSON line.

Called by `benchmarks/generate.py` with: batch, new tokens, weights file. Eager, its
default, which is faster on a processor than its static cache with compilation.
"""

import json
import sys
import time

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

batch, new, file = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
weights = np.load(file)
vocabulary, dim = weights["wte.weight"].shape
layers = sum(name.endswith("ln_1.weight") for name in weights.files)
model = GPT2LMHeadModel(
    GPT2Config(vocab_size=vocabulary, n_embd=dim, n_layer=layers, n_head=4)
).eval()
state = {f"transformer.{k}": torch.tensor(weights[k]) for k in weights.files}
model.load_state_dict(state, strict=False)
ids = torch.arange(1, 9)[None].repeat(batch, 1)


def generate(seed):
    torch.manual_seed(seed)
    model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=True,
        top_k=0,
        max_new_tokens=new,
        min_new_tokens=new,
        pad_token_id=0,
    )


started = time.perf_counter()
generate(0)
first = time.perf_counter() - started
seconds, cpu = [], []
for seed in range(5):
    started, begun = time.perf_counter(), time.process_time()
    generate(seed + 1)
    seconds.append(time.perf_counter() - started)
    cpu.append(time.process_time() - begun)
print(
    json.dumps(
        {
            "first": first,
            "tokens_per_second": batch * new / float(np.median(seconds)),
            "tokens_per_cpu_second": batch * new / float(np.median(cpu)),
        }
    )
)
