import pytest

from fer_tune.data.faces import EMOTIONS
from fer_tune.data.formats import class_and_split_names


@pytest.mark.parametrize(
    ("spelled", "meant"),
    [
        ("angry", "angry"),
        ("Anger", "angry"),
        ("DISGUSTED", "disgust"),
        ("fearful", "fear"),
        ("Happiness", "happy"),
        ("sadness", "sad"),
        ("surprised", "surprise"),
        ("6_neutral", "neutral"),
        ("contempt", None),
        ("", None),
    ],
)
def test_emotions_are_known_in_their_common_spellings(spelled: str, meant: str | None) -> None:
    assert class_and_split_names.match_emotion(spelled) == meant


@pytest.mark.parametrize(
    ("spelled", "meant"),
    [
        ("Training", "train"),
        ("PublicTest", "validation"),
        (" PrivateTest", "test"),
        ("val", "validation"),
        ("happy", None),
    ],
)
def test_splits_are_known_in_their_common_spellings(spelled: str, meant: str | None) -> None:
    assert class_and_split_names.match_split(spelled) == meant


@pytest.mark.parametrize(
    ("file", "meant"),
    [
        ("train-00000-of-00004.parquet", "train"),
        ("fer_val.csv", "validation"),
        ("trainer.csv", None),
    ],
)
def test_a_table_names_its_split(file: str, meant: str | None) -> None:
    assert class_and_split_names.match_split_in_table_name(file) == meant


def test_emotions_that_occur_keep_the_order_of_fer2013() -> None:
    classes, index = class_and_split_names.index_classes(["neutral", "fearful", "fear", "Angry"])
    assert classes == ("angry", "fear", "neutral")
    assert index == {"neutral": 2, "fearful": 1, "fear": 1, "Angry": 0}


def test_one_foreign_name_makes_all_names_the_users_own() -> None:
    every = [*EMOTIONS, "contempt"]
    assert class_and_split_names.index_classes(every)[0] == tuple(sorted(every))
