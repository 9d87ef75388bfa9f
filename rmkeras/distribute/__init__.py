"""Training on many devices and machines, exactly, and surviving what they do."""

from rmkeras.distribute.checkpoints import Checkpoints, read_checkpoint
from rmkeras.distribute.group import Group, WorkerLost
from rmkeras.distribute.guard import check_fit, check_optimizer
from rmkeras.distribute.loop import Preempted, Stopped, TrainingLoop
from rmkeras.distribute.losses import mean_loss
from rmkeras.distribute.share import Alone, Meeting, ThreadShare, WorkerShare
from rmkeras.distribute.strategies import STRATEGIES, cluster_of, split_cpu, strategy

__all__ = [
    "STRATEGIES",
    "Alone",
    "Checkpoints",
    "Group",
    "Meeting",
    "Preempted",
    "Stopped",
    "ThreadShare",
    "TrainingLoop",
    "WorkerLost",
    "WorkerShare",
    "check_fit",
    "check_optimizer",
    "cluster_of",
    "mean_loss",
    "read_checkpoint",
    "split_cpu",
    "strategy",
]
