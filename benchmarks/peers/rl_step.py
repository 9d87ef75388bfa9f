"""Steps of TRL's GRPOTrainer or RLOOTrainer, or of a plain loop; prints one JSON line.

Called by `benchmarks/rl_step.py` with a name and a number of steps, in the peers'
environment.
"""

import json
import sys
import tempfile
import time

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

LAYERS, DIM, HEADS, VOCABULARY = 4, 256, 4, 4096
PROMPTS, SAMPLES, PROMPT, NEW, BETA = 32, 4, 8, 48, 0.04

name, steps = sys.argv[1], int(sys.argv[2])
vocabulary = {"<pad>": 0, "<eos>": 1} | {f"w{i}": i for i in range(2, VOCABULARY)}
inner = Tokenizer(models.WordLevel(vocabulary, unk_token="w2"))
inner.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>"
)
torch.manual_seed(0)
shape = {"vocab_size": VOCABULARY, "n_positions": 64, "n_embd": DIM, "n_layer": LAYERS}
config = GPT2Config(
    **shape,
    n_head=HEADS,
    resid_pdrop=0.0,
    embd_pdrop=0.0,
    attn_pdrop=0.0,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=1,
)
model = GPT2LMHeadModel(config)
rng = np.random.default_rng(0)
prompts = [
    " ".join(f"w{i}" for i in rng.integers(2, VOCABULARY, PROMPT))
    for _ in range(4 * PROMPTS)
]
seconds = []


def with_trl(kind):
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

    class Clock(TrainerCallback):
        def on_step_begin(self, *args, **kwargs):
            self.started = time.perf_counter()

        def on_step_end(self, *args, **kwargs):
            seconds.append(time.perf_counter() - self.started)

    def reward(completions, **kwargs):
        return [float(len(text.split())) for text in completions]

    configuration, trainer = {
        "grpo": (GRPOConfig, GRPOTrainer),
        "rloo": (RLOOConfig, RLOOTrainer),
    }[kind]
    with tempfile.TemporaryDirectory() as folder:
        # The trainer reads its reference model from where the policy came from.
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        arguments = configuration(
            output_dir=folder,
            per_device_train_batch_size=PROMPTS * SAMPLES,
            num_generations=SAMPLES,
            max_completion_length=NEW,
            beta=BETA,
            learning_rate=1e-5,
            max_steps=steps,
            use_cpu=True,
            bf16=name.endswith("bf16"),
            gradient_checkpointing=False,
            report_to=[],
            logging_steps=1,
            save_strategy="no",
            disable_tqdm=True,
        )
        trainer(
            model=GPT2LMHeadModel.from_pretrained(folder),
            reward_funcs=reward,
            args=arguments,
            train_dataset=Dataset.from_list([{"prompt": p} for p in prompts]),
            processing_class=tokenizer,
            callbacks=[Clock()],
        ).train()


def log_probs(policy, ids):
    logits = policy(ids[:, :-1]).logits[:, PROMPT - 1 :]
    chosen = ids[:, PROMPT:, None]
    return torch.gather(torch.log_softmax(logits, -1), 2, chosen)[..., 0]


def with_torch():
    reference = GPT2LMHeadModel(config).eval()
    reference.load_state_dict(model.state_dict())
    optimizer = torch.optim.AdamW(model.parameters(), 1e-5)
    for step in range(steps):
        started = time.perf_counter()
        first = step * PROMPTS % len(prompts)
        ids = tokenizer(prompts[first : first + PROMPTS], return_tensors="pt").input_ids
        ids = ids.repeat_interleave(SAMPLES, 0)
        with torch.no_grad():
            ids = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=True,
                top_k=0,
                max_new_tokens=NEW,
            )
            new = ids[:, PROMPT:]
            ended = (new == 1).cumsum(1)
            mask = ((ended == 0) | ((ended == 1) & (new == 1))).float()
            texts = tokenizer.batch_decode(new, skip_special_tokens=True)
            scores = torch.tensor([float(len(t.split())) for t in texts])
            groups = scores.view(-1, SAMPLES)
            scores = groups - groups.mean(1, keepdim=True)
            advantages = (scores / (groups.std(1, keepdim=True) + 1e-4)).view(-1, 1)
            theirs = log_probs(reference, ids)
        ours = log_probs(model, ids)
        log_ratio = theirs - ours
        k3 = torch.exp(log_ratio) - 1 - log_ratio
        ratio = torch.exp(ours - ours.detach())
        each = (ratio * advantages - BETA * k3) * mask
        loss = -(each.sum(1) / mask.sum(1)).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        seconds.append(time.perf_counter() - started)


peer, kind = name.split()[:2]
if peer == "trl":
    with_trl(kind)
else:
    with_torch()
print(json.dumps({"seconds": float(np.median(seconds[2:])), "first": seconds[0]}))
