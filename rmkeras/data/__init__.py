"""Feedback records: schemas, readers with exact errors, datasets, batches.

`rmkeras.data.human_ratings` holds the TFDS builder; it is imported when it is
used, because it brings TensorFlow Datasets along.
"""

from rmkeras.data.archive import DOMAINS, SPLITS
from rmkeras.data.aspects import RatedAspects, aspect_names, gather_aspects
from rmkeras.data.chat import ChatTemplate, split_messages, split_strings
from rmkeras.data.clean import CleanReport, clean_ratings, clean_records, whole_text
from rmkeras.data.encode import (
    EncodedPair,
    EncodedPairs,
    EncodingReport,
    TruncatedPair,
    encode_pairs,
    iter_encoded_pairs,
    truncate_pair,
)
from rmkeras.data.load import Overlap, load_human_ratings, text_overlap
from rmkeras.data.masking import mask_tokens
from rmkeras.data.packing import PackedRows, pack_rows, packed_batches
from rmkeras.data.pipeline import (
    bucket_boundaries,
    bucketed_batches,
    padding_efficiency,
)
from rmkeras.data.prepare import (
    Prepared,
    default_data_dir,
    is_prepared,
    prepare_human_ratings,
)
from rmkeras.data.problems import CheckReport, Problem
from rmkeras.data.prompts import Prompts, read_prompts
from rmkeras.data.raters import CombinedRaters, combine_raters
from rmkeras.data.readers import (
    check_ratings,
    check_records,
    iter_records,
    read_ratings,
    read_records,
    record_type,
)
from rmkeras.data.records import (
    Preference,
    PromptCompletion,
    Rating,
    Record,
    Stepwise,
    Text,
    UnpairedPreference,
)
from rmkeras.data.sft import load_sft_pairs
from rmkeras.data.tasks import TASKS, load_task
from rmkeras.data.texts import read_corpus
from rmkeras.data.writers import write_ratings, write_records

__all__ = [
    "DOMAINS",
    "SPLITS",
    "TASKS",
    "ChatTemplate",
    "CheckReport",
    "CleanReport",
    "CombinedRaters",
    "EncodedPair",
    "EncodedPairs",
    "EncodingReport",
    "Overlap",
    "PackedRows",
    "Preference",
    "Prepared",
    "Problem",
    "PromptCompletion",
    "Prompts",
    "RatedAspects",
    "Rating",
    "Record",
    "Stepwise",
    "Text",
    "TruncatedPair",
    "UnpairedPreference",
    "aspect_names",
    "bucket_boundaries",
    "bucketed_batches",
    "check_ratings",
    "check_records",
    "clean_ratings",
    "clean_records",
    "combine_raters",
    "default_data_dir",
    "encode_pairs",
    "gather_aspects",
    "is_prepared",
    "iter_encoded_pairs",
    "iter_records",
    "load_human_ratings",
    "load_sft_pairs",
    "load_task",
    "mask_tokens",
    "pack_rows",
    "packed_batches",
    "padding_efficiency",
    "prepare_human_ratings",
    "read_corpus",
    "read_prompts",
    "read_ratings",
    "read_records",
    "record_type",
    "split_messages",
    "split_strings",
    "text_overlap",
    "truncate_pair",
    "whole_text",
    "write_ratings",
    "write_records",
]
