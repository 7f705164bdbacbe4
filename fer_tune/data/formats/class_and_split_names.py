"""The names of classes and splits in their common spellings."""

import re
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from pathlib import PurePath
from typing import NamedTuple
from unicodedata import normalize

from fer_tune.common.safe_text import join_first
from fer_tune.data.faces import EMOTIONS, SplitName

_EMOTION_SPELLINGS = {
    "angry": "angry anger",
    "disgust": "disgust disgusted disgusting",
    "fear": "fear fearful afraid scared",
    "happy": "happy happiness joy joyful",
    "sad": "sad sadness",
    "surprise": "surprise surprised suprise suprised",
    "neutral": "neutral neutrality",
    "contempt": "contempt contemptuous",  # in FER+, AffectNet and CK+, not in FER2013
}
_SPLIT_SPELLINGS: dict[SplitName, str] = {
    "train": "train training trainval tr",
    "validation": "val valid validation validate dev development eval evaluation evaluate "
    "publictest",
    "test": "test testing holdout heldout privatetest",
}
KNOWN_SPLITS = "; ".join(
    f"{name}: {', '.join(words.split())}" for name, words in _SPLIT_SPELLINGS.items()
)
_EMOTIONS = {word: name for name, words in _EMOTION_SPELLINGS.items() for word in words.split()}
_SPLITS = {
    f"{word}{ending}": name
    for name, words in _SPLIT_SPELLINGS.items()
    for word in words.split()
    for ending in ("", "set", "data", "images")
}


def _split_words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words for a version of the same images, and data sets, some of which share images.
_VERSION_WORDS = _split_words(
    "original originals origin orig aligned align crop crops cropped aug augment augmented "
    "augmentation augmentations resized gray grey grayscale greyscale rgb color colour raw "
    "processed preprocessed clean cleaned enhanced normalized normalised flipped mirrored "
    "rotated copy backup new version v "
    "fer ferplus raf rafdb affectnet affect net ck jaffe kdef expw sfew afew"
)
_LABEL_WORDS = _split_words("class category label emotion expression")
_COLLECTION_WORDS = _split_words(
    "data dataset datasets db database set sets split splits image images img imgs picture "
    "pictures pic pics photo photos face faces facial emotions emo expressions classes "
    "categories labels archive folder folders fold folds full all jpg png plus"
)
_FILLER_WORDS = _VERSION_WORDS | _LABEL_WORDS | _COLLECTION_WORDS

_CASE_CHANGE = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_IMAGE_SIZE = re.compile(r"\d+ ?x ?\d+( ?px)?", re.IGNORECASE)
_TWO_WORDS = re.compile(r"\b(public|private|hold|held) (?=(test|out)\b)")


class ClassIndex(NamedTuple):
    """The classes of a data set in their order.

    labels: index of the class by spelling.
    notes: sentences that say which spellings became one class.
    """

    classes: tuple[str, ...]
    labels: Mapping[str, int]
    notes: tuple[str, ...]


def match_emotion(name: str) -> str | None:
    """Return the emotion that a class spells ("Fearful", "0_anger", "happy faces"), or None."""
    words = (w for w in _list_words(name) if w not in _FILLER_WORDS and not w.isdigit())
    return _EMOTIONS.get("".join(dict.fromkeys(words)))


@lru_cache(1000)
def match_split(name: str) -> SplitName | None:
    """Return the split that `name` spells ("PublicTest", "val_set", "FER2013Train"), or None.

    All other words must have a neutral meaning. The number in "test 2" does not.
    """
    words = _list_words(name)
    for word, before in zip(words, ["", *words], strict=False):
        is_number = word.isdigit() and before not in _SPLITS
        if not is_number and word not in _SPLITS and word not in _FILLER_WORDS:
            return None
    return find_split(name)


@lru_cache(1000)
def find_split(name: str) -> SplitName | None:
    """Return the only split among the words of a name ("train-00000-of-00001.parquet"), or None."""
    splits = {_SPLITS[word] for word in _list_words(name) if word in _SPLITS}
    return splits.pop() if len(splits) == 1 else None


def match_file_split(path: PurePath) -> SplitName | None:
    """Return the split in a table's name, or else in a folder's (train/0000.parquet), or None."""
    names = [path.name, *reversed(path.parts[:-1])]
    return next(filter(None, map(find_split, names)), None)


def match_split_in_image_name(name: str) -> SplitName | None:
    """Return the split at the start of an image's file name ("Training_10118481.jpg"), or None."""
    start, mark, _ = name.partition("_")
    return match_split(start) if mark else None


def is_filler(name: str) -> bool:
    """Return whether a folder's name says nothing about a class ("images", "aligned 2")."""
    words = [word for word in _list_words(name) if not word.isdigit()]
    return bool(words) and set(words) <= _FILLER_WORDS and not is_number(name)


def is_number(name: str) -> bool:
    """Return whether a class is a number ("3", "class_3")."""
    words = _list_words(name)
    numbers = set(filter(str.isdigit, words))
    return bool(numbers) and numbers.union(_LABEL_WORDS).issuperset(words)


def has_version_word(name: str) -> bool:
    """Return whether a folder may hold one version of many images ("aligned", "48x48", "raf")."""
    words = _list_words(name)
    return bool(_IMAGE_SIZE.search(name)) or not _VERSION_WORDS.isdisjoint(words)


def normalize_class(name: str) -> str:
    """Return the same text for all spellings of a class, see `index_classes`."""
    return match_emotion(name) or _normalize_spelling(name)


def index_classes(counts: Mapping[str, int]) -> ClassIndex:
    """Return the classes that the labels name.

    A spelling of one of FER2013's emotions becomes its name there. Other spellings are one class
    if they differ only in case, spaces, underscores, dashes or the form of Unicode. The most
    frequent one is its name. FER2013's emotions come first, in their order, then the others sorted.

    counts: number of faces by label.
    """
    spellings: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        spellings[normalize_class(name)].append(name)
    names = {
        key: key if key in _EMOTION_SPELLINGS else normalize("NFC", own[0]).strip()
        for key, own in spellings.items()
    }
    known = [key for key in EMOTIONS if key in names]
    keys = [*known, *sorted(names.keys() - set(known), key=lambda key: names[key])]
    labels = {name: label for label, key in enumerate(keys) for name in spellings[key]}
    merges = "; ".join(filter(None, (_describe_merge(names[key], spellings[key]) for key in keys)))
    notes = (f"names read as one class: {merges}",) if merges else ()
    return ClassIndex(tuple(names[key] for key in keys), labels, notes)


def _describe_merge(name: str, spellings: list[str]) -> str:
    own = sorted({normalize("NFC", spelling).strip() for spelling in spellings})
    return f"{name} from {join_first(own)}" if len(own) > 1 else ""


def _normalize_spelling(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", normalize("NFKC", name).casefold()).strip()


def _list_words(name: str) -> list[str]:
    """Return the words and numbers in a name: public, test for "PublicTest", fer, 2013 for FER2013.

    "public test" is one word, publictest.
    """
    text = _IMAGE_SIZE.sub(" ", _CASE_CHANGE.sub(" ", normalize("NFKC", name)))
    text = " ".join(re.findall(r"[^\W\d_]+|\d+", text.casefold()))
    return _TWO_WORDS.sub(r"\1", text).split()
