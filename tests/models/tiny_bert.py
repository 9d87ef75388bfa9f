"""A BERT small enough for tests, with matrices large enough to tell words apart."""

import json

import numpy as np

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *["good", "bad", "film", "the", "a", ".", "!"],
]


def hugging_face_bert(folder, layers=2, dim=8, heads=2, inner=16, places=16):
    """A tiny BERT as Hugging Face's `save_pretrained` lays it out."""
    from safetensors.numpy import save_file

    rng = np.random.default_rng(0)

    def matrix(*shape):
        return rng.normal(0, 0.3, shape).astype("float32")

    weights = {
        "embeddings.word_embeddings.weight": matrix(len(WORDS), dim),
        "embeddings.position_embeddings.weight": matrix(places, dim),
        "embeddings.token_type_embeddings.weight": matrix(2, dim),
        "embeddings.LayerNorm.weight": 1 + matrix(dim),
        "embeddings.LayerNorm.bias": matrix(dim),
        "pooler.dense.weight": matrix(dim, dim),
        "pooler.dense.bias": matrix(dim),
    }
    for i in range(layers):
        block = f"encoder.layer.{i}."
        shapes = {
            "attention.self.query": (dim, dim),
            "attention.self.key": (dim, dim),
            "attention.self.value": (dim, dim),
            "attention.output.dense": (dim, dim),
            "intermediate.dense": (inner, dim),
            "output.dense": (dim, inner),
        }
        for name, (out, into) in shapes.items():
            weights[f"{block}{name}.weight"] = matrix(out, into)
            weights[f"{block}{name}.bias"] = matrix(out)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            weights[f"{block}{name}.weight"] = 1 + matrix(dim)
            weights[f"{block}{name}.bias"] = matrix(dim)
    folder.mkdir(exist_ok=True)
    save_file(weights, str(folder / "model.safetensors"), metadata={"format": "pt"})
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": dim,
        "hidden_dropout_prob": 0.0,
        "intermediate_size": inner,
        "max_position_embeddings": places,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "type_vocab_size": 2,
        "vocab_size": len(WORDS),
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    return weights
