"""The names of classes and splits in their common spellings."""

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
_SPLIT_SPELLINGS: dict[SplitName, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "dev", "publictest"),
    "test": ("test", "testing", "privatetest"),
}
_EMOTIONS = {word: name for name, words in _EMOTION_SPELLINGS.items() for word in words}
_SPLITS = {word: name for name, words in _SPLIT_SPELLINGS.items() for word in words}

# fer2013.csv's Usage in the file names of Kaggle's image folders: Training_10118481.jpg.
_USAGE_PREFIX = re.compile(r"(Training|PublicTest|PrivateTest)_")


def match_emotion(name: str) -> str | None:
    """Return FER2013's name of a class ("Fearful", "0_anger"), or None if it has none."""
    return _EMOTIONS.get(re.sub(r"[^a-z]", "", name.casefold()))


def match_split(name: str) -> SplitName | None:
    """Return the split that `name` spells ("PublicTest", "val", "Train"), or None."""
    return _SPLITS.get(re.sub(r"[^a-z0-9]", "", name.casefold()))


def match_split_in_table_name(name: str) -> SplitName | None:
    """Return the first split in a table's file name ("train-00000-of-00001.parquet"), or None."""
    return next(filter(None, map(match_split, re.split(r"[-_. ]", name))), None)


def match_split_in_image_name(name: str) -> SplitName | None:
    """Return the split at the start of an image's file name, or None."""
    match = _USAGE_PREFIX.match(name)
    return match_split(match[1]) if match else None


def index_classes(names: Iterable[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the classes in their order, and for each of `names` the index of its class.

    If every name spells one of FER2013's emotions, the classes have FER2013's names and order.
    Otherwise the names are the user's own, sorted. Composed and decomposed accents are the same
    class.
    """
    own = {name: normalize("NFC", name) for name in set(names)}
    spelled = {name: match_emotion(name) or text for name, text in own.items()}
    if set(spelled.values()) <= set(EMOTIONS):
        classes = tuple(name for name in EMOTIONS if name in spelled.values())
    else:
        spelled, classes = own, tuple(sorted(set(own.values())))
    return classes, {name: classes.index(text) for name, text in spelled.items()}
