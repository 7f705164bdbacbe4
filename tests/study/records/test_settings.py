import json
import re
from pathlib import Path

import pytest

from fer_tune.common import atomic
from fer_tune.common.errors import UserError
from fer_tune.common.lock import LOCK
from fer_tune.study.prior_trials import PriorTrial
from fer_tune.study.records.settings import (
    FILE,
    StudySettings,
    check_study_name,
    create_study_directory,
    open_study,
    slugify,
)


def test_a_study_opens_as_it_was_begun(tmp_path: Path, settings: StudySettings) -> None:
    folder = create_study_directory(tmp_path, settings)
    assert open_study(tmp_path, "tested") == (folder, settings)


def test_the_file_is_for_its_owner_only(tmp_path: Path, settings: StudySettings) -> None:
    folder = create_study_directory(tmp_path, settings)
    assert (folder / FILE).stat().st_mode & 0o077 == 0


def test_a_name_that_is_taken_is_refused_with_the_way_out(
    tmp_path: Path, settings: StudySettings
) -> None:
    create_study_directory(tmp_path, settings)
    with pytest.raises(UserError, match="--resume tested"):
        create_study_directory(tmp_path, settings)


@pytest.mark.parametrize("name", ["happy/0.png", "film.part", "run/tuner.pkl", "journal.jsonl"])
def test_a_folder_that_is_no_study_is_refused_and_left_as_it_is(
    tmp_path: Path, settings: StudySettings, name: str
) -> None:
    file = tmp_path / "tested" / name
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    told = f"tested in {tmp_path} is no study, and {name.split('/')[0]} is in it; take another"
    with pytest.raises(UserError, match=re.escape(told)) as error:
        create_study_directory(tmp_path, settings)
    assert "\n" not in str(error.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]


def test_a_file_of_the_studys_name_is_refused(tmp_path: Path, settings: StudySettings) -> None:
    (tmp_path / "tested").touch()
    with pytest.raises(UserError, match="cannot be a study's folder: Not a directory"):
        create_study_directory(tmp_path, settings)


def test_a_folder_with_nothing_but_what_a_killed_process_left_is_taken_over(
    tmp_path: Path, settings: StudySettings
) -> None:
    folder = tmp_path / "tested"
    for left in (atomic.make_partial_name(FILE), atomic.make_partial_name("probe") + "/driver"):
        (folder / left).parent.mkdir(parents=True, exist_ok=True)
        (folder / left).touch()
    for lock in (LOCK, ".retrain-000001-15.lock"):
        (folder / lock).touch()
    assert create_study_directory(tmp_path, settings) == folder


def test_an_unknown_study_is_answered_with_the_known_ones(
    tmp_path: Path, settings: StudySettings
) -> None:
    create_study_directory(tmp_path, settings)
    with pytest.raises(UserError, match=r"no study testde .* there are: tested"):
        open_study(tmp_path, "testde")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "x" * 101, "a\nb"])
def test_a_name_cannot_leave_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="study name"):
        open_study(tmp_path, name)


def test_settings_changed_by_hand_are_told_in_one_line(
    tmp_path: Path, settings: StudySettings
) -> None:
    (create_study_directory(tmp_path, settings) / FILE).write_text("{}")
    with pytest.raises(UserError, match="cannot be read") as error:
        open_study(tmp_path, "tested")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "../../other"}, "it is of a study ../../other"),
        ({"seed": -1}, "cannot be read: 1 validation error"),
        ({"space": {"parameters": {"depht": {"type": "int", "low": 1, "high": 5}}}}, "mean depth?"),
        ({"space": {"parameters": {"depth": {"type": "int", "low": 1, "high": 10**400}}}}, "read"),
    ],
)
def test_settings_that_lead_elsewhere_or_nowhere_are_refused(
    tmp_path: Path, settings: StudySettings, change: dict[str, object], told: str
) -> None:
    path = create_study_directory(tmp_path, settings) / FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match=re.escape(told)) as error:
        open_study(tmp_path, "tested")
    assert "\n" not in str(error.value)


def test_a_known_trial_without_a_place_in_the_space_is_refused(
    tmp_path: Path, settings: StudySettings
) -> None:
    known = PriorTrial(
        study="other",
        number=4,
        point={"learning_rate": 0.001, "depth": 3},
        epochs=9,
        is_whole=True,
        best=0.5,
        gap=0.1,
        last=0.4,
    )
    begun = settings.model_copy(update={"known": (known,)})
    folder = create_study_directory(tmp_path, begun)
    assert open_study(tmp_path, "tested") == (folder, begun)
    for point in ({"learning_rate": 0.001, "depth": 9}, {"depth": 3}, {"learning_rate": 1}):
        strange = known.model_copy(update={"point": point})
        text = settings.model_copy(update={"known": (strange,)}).model_dump_json()
        (folder / FILE).write_text(text)
        with pytest.raises(UserError, match="starts from trial 4 of other, which is outside"):
            open_study(tmp_path, "tested")


@pytest.mark.parametrize("text", ["paper", "my space", "..", "été/../x", "-", "x" * 300, ""])
def test_any_text_can_be_made_fit_to_begin_a_name(text: str) -> None:
    check_study_name(slugify(text) + "-1124-101500")
