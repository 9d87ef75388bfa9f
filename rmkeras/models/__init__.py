"""Reward models and language models, all of them `keras.Model`s."""

import rmkeras.metrics.streaming  # noqa: F401  (registers what compiled models name)
from rmkeras.models.aspect_model import AspectRewardModel
from rmkeras.models.averaging import average_weights
from rmkeras.models.backbone import BackboneEncoder
from rmkeras.models.bag_of_ngrams import NgramEncoder, ngram_reward_model
from rmkeras.models.bert import BertEncoder
from rmkeras.models.causal_lm import CausalLM
from rmkeras.models.encoders import LSTMEncoder, TransformerEncoder
from rmkeras.models.ensemble import REWARD_MODELS, RewardEnsemble
from rmkeras.models.ilql_model import ILQLModel
from rmkeras.models.masked_lm import MaskedLM
from rmkeras.models.ngram import NGramLM
from rmkeras.models.optimizer import Adam, AdamW, WarmupCosine
from rmkeras.models.pretrained import load_pretrained, pretrained_reward_model
from rmkeras.models.recurrent_lm import RecurrentLM
from rmkeras.models.reward_model import (
    RewardModel,
    lstm_reward_model,
    textbook_lstm_reward_model,
    transformer_reward_model,
)
from rmkeras.models.saving import load_model

__all__ = [
    "REWARD_MODELS",
    "Adam",
    "AdamW",
    "AspectRewardModel",
    "BackboneEncoder",
    "BertEncoder",
    "CausalLM",
    "ILQLModel",
    "LSTMEncoder",
    "MaskedLM",
    "NGramLM",
    "NgramEncoder",
    "RecurrentLM",
    "RewardEnsemble",
    "RewardModel",
    "TransformerEncoder",
    "WarmupCosine",
    "average_weights",
    "load_model",
    "load_pretrained",
    "lstm_reward_model",
    "ngram_reward_model",
    "pretrained_reward_model",
    "textbook_lstm_reward_model",
    "transformer_reward_model",
]
