"""Training: one plain loop for every modality, resumable at any epoch."""

from dagnn.training.callbacks import Callback, MetricsLog, Plan, ProgressReport, legend
from dagnn.training.checkpoint import (
    Checkpoint,
    Checkpoints,
    load_checkpoint,
    load_weights,
    save_checkpoint,
)
from dagnn.training.forward import PRECISIONS
from dagnn.training.loop import process_group
from dagnn.training.optimizers import OPTIMIZERS, SCHEDULES
from dagnn.training.settings import CRITERIA, TARGET_ORACLE, Selection, TrainSettings
from dagnn.training.trainer import FitResult, fit
from dagnn.training.validation import target_error, validation_metrics

__all__ = [
    "CRITERIA",
    "OPTIMIZERS",
    "PRECISIONS",
    "SCHEDULES",
    "TARGET_ORACLE",
    "Callback",
    "Checkpoint",
    "Checkpoints",
    "FitResult",
    "MetricsLog",
    "Plan",
    "ProgressReport",
    "Selection",
    "TrainSettings",
    "fit",
    "legend",
    "load_checkpoint",
    "load_weights",
    "process_group",
    "save_checkpoint",
    "target_error",
    "validation_metrics",
]
