import pytest

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
        ("03 happy", "happy"),
        ("Happy ", "happy"),
        ("HAPPY FACES", "happy"),
        ("emotion_sad", "sad"),
        ("angry (1)", "angry"),
        ("fear-48x48", "fear"),
        ("\uff33\uff21\uff24", "sad"),
        ("Contemptuous", "contempt"),
        ("not happy", None),
        ("unhappy", None),
        ("fear_surprise", None),
        ("happily surprised", None),
        ("bored", None),
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
        ("eval", "validation"),
        ("Validation Set", "validation"),
        ("public_test", "validation"),
        ("train_set", "train"),
        ("FER2013Train", "train"),
        ("01-train", "train"),
        ("Test_Aligned_Faces", "test"),
        ("hold-out", "test"),
        ("TESTDATA", "test"),
        ("happy", None),
        ("validated", None),
        ("train_val", None),
        ("holdout2", None),
        ("train driver", None),
    ],
)
def test_splits_are_known_in_their_common_spellings(spelled: str, meant: str | None) -> None:
    assert class_and_split_names.match_split(spelled) == meant


@pytest.mark.parametrize(
    ("file", "meant"),
    [
        ("train-00000-of-00004.parquet", "train"),
        ("fer_val.csv", "validation"),
        ("fer2013_public_test.csv", "validation"),
        ("train_test.csv", None),
        ("trainer.csv", None),
    ],
)
def test_a_table_names_its_split(file: str, meant: str | None) -> None:
    assert class_and_split_names.find_split(file) == meant


@pytest.mark.parametrize(
    ("file", "meant"),
    [("Training_1.jpg", "train"), ("test_00001_aligned.png", "test"), ("train.png", None)],
)
def test_an_image_names_its_split_at_its_start(file: str, meant: str | None) -> None:
    assert class_and_split_names.match_split_in_image_name(file) == meant


def index(**counts: int) -> class_and_split_names.ClassIndex:
    return class_and_split_names.index_classes(counts)


def test_emotions_that_occur_keep_the_order_of_fer2013() -> None:
    classes, labels, _ = index(neutral=1, fearful=1, fear=1, Angry=1)
    assert classes == ("angry", "fear", "neutral")
    assert labels == {"neutral": 2, "fearful": 1, "fear": 1, "Angry": 0}


def test_a_foreign_class_comes_after_the_emotions_and_changes_none_of_them() -> None:
    names = ["Anger", "anger", "wink", "Sadness", "Bored", "Contempt"]
    classes = class_and_split_names.index_classes(dict.fromkeys(names, 1)).classes
    assert classes == ("angry", "sad", "Bored", "contempt", "wink")


def test_spellings_of_a_foreign_class_are_one_and_the_most_frequent_names_it() -> None:
    names = {
        "Wide_awake": 3,
        "wide awake": 2,
        "WIDE-AWAKE ": 2,
        "col\u00e8re": 1,
        "cole\u0300re": 1,
    }
    classes, labels, notes = class_and_split_names.index_classes(names)
    assert classes == ("Wide_awake", "col\u00e8re")
    assert [labels[name] for name in names] == [0, 0, 0, 1, 1]
    assert notes == ("names read as one class: Wide_awake from WIDE-AWAKE, Wide_awake, wide awake",)


def test_a_merge_of_names_is_said_and_a_single_spelling_is_not() -> None:
    assert index(happy1=1, happy2=1, anger=1).notes == (
        "names read as one class: happy from happy1, happy2",
    )
    assert index(**{f"happy{number}": 1 for number in range(7)}, sadness=1).notes == (
        "names read as one class: happy from happy0, happy1, happy2, happy3, happy4, ...",
    )
    assert index(happiness=1, anger=1).notes == ()
