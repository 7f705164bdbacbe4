"""Class names and split names in their common spellings."""

import re
from collections.abc import Iterable
from unicodedata import normalize

from fer_tune.data.faces import EMOTIONS, SplitName

_EMOTION_SPELLINGS = {
    "angry": ("angry", "anger"),
    "disgust": ("disgust", "disgusted", "disgusting"),
    "fear": ("fear", "fearful", "afraid", "scared"),
    "happy": ("happy", "happiness", "joy", "joyful"),
    "sad": ("sad", "sadness"),
    "surprise": ("surprise", "surprised", "suprise", "suprised"),
    "neutral": ("neutral", "neutrality"),
}
_EMOTION_BY_SPELLING = {
    spelling: name for name, every in _EMOTION_SPELLINGS.items() for spelling in every
}

_SPLIT_SPELLINGS: dict[SplitName, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "dev", "publictest"),
    "test": ("test", "testing", "privatetest"),
}
_SPLIT_BY_SPELLING = {
    spelling: name for name, every in _SPLIT_SPELLINGS.items() for spelling in every
}

# fer2013.csv's Usage as the Kaggle folder copies keep it: Training_10118481.jpg.
_USAGE_PREFIX = re.compile(r"(Training|PublicTest|PrivateTest)_")


def match_emotion(name: str) -> str | None:
    """FER2013's name for a class spelled `name` ("Fearful", "0_anger"); None if it is none."""
    return _EMOTION_BY_SPELLING.get(re.sub(r"[^a-z]", "", name.casefold()))


def match_split(name: str) -> SplitName | None:
    """The split that `name` ("PublicTest", "val", "Train") spells; None if it is none."""
    return _SPLIT_BY_SPELLING.get(re.sub(r"[^a-z0-9]", "", name.casefold()))


def match_split_in_table_name(name: str) -> SplitName | None:
    """The split that a table's file name has in it ("train-00000-of-00001.parquet")."""
    return next(filter(None, map(match_split, re.split(r"[-_. ]", name))), None)


def match_split_in_image_name(name: str) -> SplitName | None:
    """The split that an image's file name starts with; None if it starts with none."""
    match = _USAGE_PREFIX.match(name)
    return match_split(match[1]) if match else None


def index_classes(names: Iterable[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Class names in their order, and the index of each of `names` in it.

    FER2013's emotions keep FER2013's order if every name spells one; else the names are the
    user's own and sorted. A system that keeps accents apart from their letters makes no new class.
    """
    every = {name: normalize("NFC", name) for name in set(names)}
    spelled = {name: match_emotion(name) or own for name, own in every.items()}
    if set(spelled.values()) <= set(EMOTIONS):
        classes = tuple(name for name in EMOTIONS if name in spelled.values())
    else:
        spelled, classes = every, tuple(sorted(set(every.values())))
    return classes, {name: classes.index(own) for name, own in spelled.items()}
