"""Synthetic class predictions whose probabilities are honest by construction."""

import numpy as np

from dagnn.records import ClassPredictions

CLASSES = ("spiral", "elliptical", "merger")


def synthetic_classes(
    suite="sdss",
    role="source",
    *,
    items=120,
    skill=2.0,
    sharpness=1.0,
    unknown=0,
    unlabelled=0,
    shares=(0.5, 0.3, 0.2),
    model="model",
    split="test",
    seed=0,
):
    """Draw probabilities around some class, and the truth from them; then distort the former.

    Args:
        skill: how decided the network is; 0 knows nothing.
        sharpness: power to which honest probabilities are raised; above 1 is too sure.
        unknown: how many items of an unknown class follow, on which the network is
            undecided and whose novelty is high.
        unlabelled: how many of the first items lose their label.
    """
    generator = np.random.default_rng(seed)
    total = items + unknown
    favourite = generator.choice(3, total, p=shares)
    scores = generator.normal(size=(total, 3)) + skill * np.eye(3)[favourite] + np.log(shares)
    scores[items:] = 0.3 * generator.normal(size=(unknown, 3))
    honest = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    truth = (generator.random(total)[:, None] > honest.cumsum(1)).sum(1)
    truth[items:] = 3
    truth[:unlabelled] = -1
    probability = honest**sharpness
    novelty = np.abs(generator.normal(0.4, 0.3, size=total))
    novelty[items:] += 0.7
    return ClassPredictions(
        suite=suite,
        role=role,
        split=split,
        ids=tuple(f"galaxy {number}" for number in range(total)),
        classes=CLASSES,
        truth=truth.astype(np.int64),
        probability=probability / probability.sum(1, keepdims=True),
        latent=np.concatenate([scores, generator.normal(size=(total, 2))], 1),
        model=model,
        novelty=novelty,
    )
