"""Attention, Transformer blocks, pooling and reward heads, in `keras.ops` only."""

from rmkeras.layers.attention import MultiHeadAttention, scaled_dot_product_attention
from rmkeras.layers.augmentation import TokenSwap
from rmkeras.layers.embedding import TokenAndPositionEmbedding, TokenDropout
from rmkeras.layers.fused import LayerNorm, gelu
from rmkeras.layers.fused_vocabulary import log_softmax_at
from rmkeras.layers.lora import LoRADense, freeze_all_but_lora
from rmkeras.layers.pooling import LastTokenPooling, MeanMaxPooling, MeanPooling
from rmkeras.layers.reward_head import RewardHead
from rmkeras.layers.rotary import rotate
from rmkeras.layers.transformer import TransformerBlock
from rmkeras.layers.unpadding import (
    TokenLayout,
    remove_padding,
    restore_padding,
    token_layout,
)

__all__ = [
    "LastTokenPooling",
    "LayerNorm",
    "LoRADense",
    "MeanMaxPooling",
    "MeanPooling",
    "MultiHeadAttention",
    "RewardHead",
    "TokenAndPositionEmbedding",
    "TokenDropout",
    "TokenLayout",
    "TokenSwap",
    "TransformerBlock",
    "freeze_all_but_lora",
    "gelu",
    "log_softmax_at",
    "remove_padding",
    "restore_padding",
    "rotate",
    "scaled_dot_product_attention",
    "token_layout",
]
