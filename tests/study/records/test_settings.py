import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from fer_tune.common.errors import UserError
from fer_tune.data.read_options import ReadOptions
from fer_tune.study.records.settings import (
    FILE,
    PriorTrial,
    StudySettings,
    check_study_name,
    read_settings,
    slugify,
)
from fer_tune.study.records.study_storage import StudyStorage


def test_settings_are_read_as_they_were_written(tmp_path: Path, settings: StudySettings) -> None:
    folder = StudyStorage(str(tmp_path)).write_settings(settings)
    assert read_settings(tmp_path, "tested") == (folder, settings)


def test_finalists_are_recorded_only_if_there_are_some(
    tmp_path: Path, settings: StudySettings
) -> None:
    storage = StudyStorage(str(tmp_path))
    assert "finalists" not in (storage.write_settings(settings) / FILE).read_text()
    storage.write_settings(settings.model_copy(update={"finalists": 3}))
    assert read_settings(tmp_path, "tested")[1].finalists == 3


def test_the_file_is_for_its_owner_only(tmp_path: Path, settings: StudySettings) -> None:
    folder = StudyStorage(str(tmp_path)).write_settings(settings)
    assert (folder / FILE).stat().st_mode & 0o077 == 0


def test_an_unknown_study_is_reported_with_the_known_ones(
    tmp_path: Path, settings: StudySettings
) -> None:
    StudyStorage(str(tmp_path)).write_settings(settings)
    with pytest.raises(UserError, match=r"no study testde .* there are: tested"):
        read_settings(tmp_path, "testde")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "x" * 101, "a\nb"])
def test_a_name_cannot_leave_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="study name"):
        read_settings(tmp_path, name)


def test_settings_changed_by_hand_are_reported_in_one_line(
    tmp_path: Path, settings: StudySettings
) -> None:
    (StudyStorage(str(tmp_path)).write_settings(settings) / FILE).write_text("{}")
    with pytest.raises(UserError, match="cannot be read") as error:
        read_settings(tmp_path, "tested")
    assert "\n" not in str(error.value)


def test_keys_of_another_version_are_named(tmp_path: Path, settings: StudySettings) -> None:
    path = StudyStorage(str(tmp_path)).write_settings(settings) / FILE
    content = json.loads(path.read_text())
    del content["epochs"]
    path.write_text(
        json.dumps({**content, "budget": 7, "space": {**content["space"], "goal": "x"}})
    )
    with pytest.raises(UserError) as error:
        read_settings(tmp_path, "tested")
    for named in (
        str(path),
        "epochs: it is missing",
        "budget: 7: unknown key",
        "space.goal: x: un",
    ):
        assert named in str(error.value)
    assert "if another version of fer_tune wrote it, use this version" in str(error.value)


@pytest.mark.parametrize("length", [0, 1, 200])
def test_a_file_that_is_cut_off_is_reported_as_such(
    tmp_path: Path, settings: StudySettings, length: int
) -> None:
    path = StudyStorage(str(tmp_path)).write_settings(settings) / FILE
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UserError, match=r"Invalid JSON: EOF .*; restore it from a copy") as error:
        read_settings(tmp_path, "tested")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": "../../other"}, "its name is ../../other"),
        ({"seed": -1}, "cannot be read: seed: -1: Input should be greater"),
        ({"space": {"parameters": {"depht": {"type": "int", "low": 1, "high": 5}}}}, "mean depth?"),
        ({"space": {"parameters": {"depth": {"type": "int", "low": 1, "high": 10**400}}}}, "read"),
    ],
)
def test_settings_that_a_study_cannot_have_are_refused(
    tmp_path: Path, settings: StudySettings, change: dict[str, object], problem: str
) -> None:
    path = StudyStorage(str(tmp_path)).write_settings(settings) / FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match=re.escape(problem)) as error:
        read_settings(tmp_path, "tested")
    assert "\n" not in str(error.value)


def test_a_prior_trial_outside_the_space_is_refused(
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
    warm = settings.model_copy(update={"known": (known,)})
    folder = StudyStorage(str(tmp_path)).write_settings(warm)
    assert read_settings(tmp_path, "tested") == (folder, warm)
    for point in ({"depth": 9}, {"width": 64}, {"learning_rate": 1}):
        outside = known.model_copy(update={"point": point})
        text = settings.model_copy(update={"known": (outside,)}).model_dump_json()
        (folder / FILE).write_text(text)
        with pytest.raises(
            UserError, match=r"cannot be used: trial 4 of other\.(depth|width|learn)"
        ):
            read_settings(tmp_path, "tested")


@pytest.mark.parametrize("text", ["paper", "my space", "..", "été/../x", "-", "x" * 300, ""])
def test_a_slug_of_any_text_can_begin_a_name(text: str) -> None:
    check_study_name(slugify(text) + "-1124-101500")


def test_a_study_of_an_earlier_version_has_no_labels_and_the_exact_rule(
    tmp_path: Path, settings: StudySettings
) -> None:
    folder = StudyStorage(str(tmp_path)).write_settings(settings)
    keys = json.loads((folder / FILE).read_text())
    del keys["labels"], keys["split_rule"]
    (folder / FILE).write_text(json.dumps(keys))
    assert read_settings(tmp_path, "tested")[1].read_options == ReadOptions(split_rule="exact")


def test_a_study_reads_its_faces_as_it_began(tmp_path: Path, settings: StudySettings) -> None:
    options = ReadOptions(skip_bad=True, labels="1=happy,2=sad", split_rule="near")
    StudyStorage(str(tmp_path)).write_settings(settings.model_copy(update=asdict(options)))
    assert read_settings(tmp_path, "tested")[1].read_options == options
