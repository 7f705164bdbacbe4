import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.faces import EMOTIONS
from fer_tune.data.formats.label_coding import decode_labels, merge_labels
from fer_tune.data.read_options import ReadOptions


def decode(counts: dict[str, int], labels: str | None = None) -> dict[str, str]:
    return decode_labels(counts, ReadOptions(labels=labels).class_names, "raf.csv, column label")


def rows(*labels: object) -> dict[str, int]:
    return {str(label): 5 for label in labels}


@pytest.mark.parametrize("labels", [range(7), (0, 3), (3, 4, 6), (2, 5)])
def test_numbers_of_fer2013_have_its_classes(labels: range) -> None:
    assert decode(rows(*labels)) == {str(label): EMOTIONS[label] for label in labels}


@pytest.mark.parametrize(
    "labels",
    [
        *(range(1, 8), range(1, 7), (1, 2), range(8), (0, 10, 20), (3, 4, 7)),
        *((0, 1, "happy"), ("happy", "sad", 1), (0.5, 1.5), (0, 1, "2.5"), ("0", "1 2")),
    ],
)
def test_another_coding_is_refused_with_the_values_and_a_line_to_complete(
    labels: list[object],
) -> None:
    with pytest.raises(UserError) as error:
        decode(rows(*labels))
    message = str(error.value)
    assert "raf.csv, column label: the labels are not FER2013's (0 angry to 6 neutral)" in message
    assert all(f"{label} (5)" in message and f"{label}=?" in message for label in labels)
    assert "skip-bad" not in message


def test_the_line_to_complete_works_when_it_is_completed() -> None:
    with pytest.raises(UserError) as error:
        decode(rows(1, 2, 3))
    pairs = str(error.value).split('"')[1]
    for name in ("surprise", "fear", "disgust"):
        pairs = pairs.replace("?", name, 1)
    assert decode(rows(1, 2, 3), pairs) == {"1": "surprise", "2": "fear", "3": "disgust"}


@pytest.mark.parametrize("stray", ["7", "31", "x", "2.5"])
def test_a_value_in_a_single_row_is_damage(stray: str) -> None:
    assert decode(rows(0, 3) | {stray: 1}) == {"0": "angry", "3": "happy"}


def test_many_different_values_are_no_damage() -> None:
    with pytest.raises(UserError, match=r"0.01 \(1\), .*, \.\.\."):
        decode({f"0.{n:02}": 1 for n in range(1, 60)} | rows(0, 1))
    with pytest.raises(UserError, match="499 different labels; at most 100 can be classes"):
        decode({str(n): 1 for n in range(500)})


@pytest.mark.parametrize("blank", ["", "-1", "255", "nan", "-3"])
def test_values_that_stand_for_no_label_are_bad_rows_however_many(blank: str) -> None:
    assert decode(rows(0, 3) | {blank: 50}) == {"0": "angry", "3": "happy"}
    with pytest.raises(UserError, match=rf"no face has a label \('{blank}'\); fill them in"):
        decode({blank: 50})
    assert decode({}) == {}


def test_words_are_classes() -> None:
    assert decode(rows("Happy", "wink") | {"7": 1}) == {"Happy": "Happy", "wink": "wink"}


def test_labels_name_numbers_and_words_in_any_case() -> None:
    names = "1=joy,ang=angry,-1=angry"
    expected = {"1": "joy", "ANG": "angry", "-1": "angry"}
    assert decode(rows(1, "ANG", -1), names) == expected


def test_what_the_labels_lack_is_listed() -> None:
    with pytest.raises(
        UserError, match=r"that --labels lacks: 2 \(5\), sad \(5\); add 2=\?,sad=\?"
    ):
        decode(rows(1, 2, "sad"), "1=happy")


def test_at_most_ten_values_are_listed_and_long_ones_are_cut() -> None:
    with pytest.raises(UserError) as error:
        decode(rows(*range(20), "x" * 5000))
    assert "9 (5), ...;" in str(error.value)
    with pytest.raises(UserError) as error:
        decode(rows(0, "x" * 5000))
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    "rows",
    [
        [("4", "neutral"), ("4", "sad")],
        [("4", "neutral"), ("5", "neutral")],
        [("4", "neutral"), ("4", "")],
        [("4", "5")],
    ],
)
def test_columns_of_labels_that_disagree_are_refused(rows: list[tuple[str, str]]) -> None:
    pairs: dict[object, str] = {}
    *above, last = [list(zip(("label", "class"), own, strict=True)) for own in rows]
    for own in above:
        merge_labels(own, pairs, "row 8")
    with pytest.raises(UserError, match=r"^row 9: columns .* disagree: .*; delete one of them$"):
        merge_labels(last, pairs, "row 9")


def test_columns_of_equal_numbers_agree() -> None:
    assert merge_labels([("label", "4"), ("class", "4.0")], {}, "row 9") == "4"
