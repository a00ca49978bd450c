"""Which variant a visitor has: the same one for as long as the phase lasts, whoever asks."""

from experiments.bucketing import bucket, choose
from experiments.types import Assignment, ExperimentConfig


def seed_of(slug: str, experiment: ExperimentConfig) -> str:
    """What the assignments of a phase are drawn from; the browser knows it as well."""
    return f"{slug}:{experiment.key}:{experiment.phase}"


def assign(slug: str, experiment: ExperimentConfig, visitor_id: str | None) -> Assignment | None:
    """The visitor's variant; None for somebody outside the experiment, or not known by an id."""
    if visitor_id is None:
        return None
    weights = [variant.weight for variant in experiment.variants]
    index = choose(bucket(seed_of(slug, experiment), visitor_id), weights, experiment.coverage)
    return None if index is None else Assignment(experiment.key, experiment.phase, experiment.variants[index])
