import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.read_options import ReadOptions, normalize_label, parse_labels


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("1=surprise,2=fear", "1=surprise,2=fear"),
        (" 01 = surprise , 2.0=fear ", "1=surprise,2=fear"),
        ("hap=happy,SA=sad", "hap=happy,sa=sad"),
        ("0=calm,7=calm,-1=other mood", "-1=other mood,0=calm,7=calm"),
        ("sad=sad,10=fear,2=happy,hap=happy", "2=happy,10=fear,hap=happy,sad=sad"),
    ],
)
def test_labels_are_kept_in_one_form(text: str, labels: str) -> None:
    assert parse_labels(text) == labels
    assert parse_labels(labels) == labels


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "'' is not LABEL=CLASS"),
        ("1", "'1' is not LABEL=CLASS"),
        ("1=happy,", "'' is not LABEL=CLASS"),
        ("=happy", "'=happy' is not LABEL=CLASS"),
        ("1=?,2=sad", "'1=\\?' is not LABEL=CLASS"),
        ("1=happy,1=sad", "names 1 twice"),
        ("1=happy, 1.0 =happy", "names 1.0 twice"),
        ("hap=happy,HAP=sad", "names HAP twice"),
        ("1=../up", "class name '../up'"),
        (",".join(f"{'x' * n}={'y' * 90}{n}" for n in range(1, 90)), "use at most 5,000"),
    ],
)
def test_a_mistake_in_labels_is_named(text: str, problem: str) -> None:
    with pytest.raises(UserError, match=f"--labels:? .*{problem}"):
        parse_labels(text)


@pytest.mark.parametrize("text", ["3", " 3 ", '"3"', "3.0", "3.", "3e0", "+3", "03", "٣"])
def test_a_whole_number_is_one_label_however_it_is_written(text: str) -> None:
    assert normalize_label(text) == "3"


@pytest.mark.parametrize("text", ["2.5", "Happy", "3rd", "1e999", "1_0", ""])
def test_any_other_label_stays_as_it_is(text: str) -> None:
    assert normalize_label(f" {text} ") == text


def test_without_labels_no_label_has_a_class_name() -> None:
    assert ReadOptions().class_names == {}
    assert ReadOptions(labels="1=Joy").class_names == {"1": "Joy"}
