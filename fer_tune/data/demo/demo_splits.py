"""The demo data set: drawn faces, so that a study runs without any data.

It copies what makes FER2013 hard. Its classes are imbalanced, its faces differ in everything but
the expression, and many labels are wrong, so a large network overfits.
"""

import functools

import numpy as np

from fer_tune.data.demo.portraits import draw_portraits
from fer_tune.data.faces import EMOTIONS, SPLIT_NAMES, Faces, SplitName, Splits

DEMO_SOURCE = "demo faces"
DEMO_WARNING = (
    "These are DEMO FACES, drawn by the program because it has no other data. Results on them say "
    "nothing about real faces; use yours with --data PATH."
)

# FER2013's faces of each class, in the order of EMOTIONS: Training, PublicTest, PrivateTest.
FER2013_COUNTS: dict[SplitName, tuple[int, ...]] = {
    "train": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "validation": (467, 56, 496, 895, 653, 415, 607),
    "test": (491, 55, 528, 879, 594, 416, 626),
}
# The demo data set is smaller by these factors.
COUNT_DIVISOR: dict[SplitName, int] = {"train": 10, "validation": 9, "test": 9}

# Share of faces whose labels are shuffled among themselves, so that the counts stay. With it, the
# baseline has accuracy of about .93 on training and .67 on validation faces after 20 epochs.
LABEL_NOISE = 0.18


@functools.cache
def draw_demo_splits(seed: int = 0) -> Splits:
    """Draw 2,872 training, 398 validation and 400 test faces; a seed always gives the same.

    A process draws them once, as that takes a second. All callers share the read-only arrays.
    """
    protocol = "Three splits, drawn separately, with the class shares of FER2013."
    train, validation, test = (_draw_split(name, seed) for name in SPLIT_NAMES)
    return Splits(EMOTIONS, train, validation, test, DEMO_SOURCE, protocol)


def _draw_split(name: SplitName, seed: int) -> Faces:
    rng = np.random.default_rng([seed, *name.encode()])
    counts = np.rint(np.array(FER2013_COUNTS[name]) / COUNT_DIVISOR[name]).astype(np.int64)
    labels = rng.permutation(np.repeat(np.arange(len(EMOTIONS)), counts))
    expressions = labels.copy()
    is_noisy = rng.random(len(labels)) < LABEL_NOISE
    expressions[is_noisy] = rng.permutation(expressions[is_noisy])
    images = draw_portraits([EMOTIONS[label] for label in expressions], rng)
    names = np.array([f"demo/{name}/{number:04d}" for number in range(len(labels))])
    for array in (images, labels, names):
        array.flags.writeable = False
    return Faces(images, labels, names)
