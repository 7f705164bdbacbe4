from collections.abc import Callable

from fer_tune.tracking.study_and_retrain_info import StudyInfo
from fer_tune.tracking.study_run import render_study_note


def test_the_outcome_is_first_and_the_page_of_the_trials_is_linked(
    describe: Callable[..., StudyInfo],
) -> None:
    study = describe(parameters={"depth": (), "width": ()}, metric="val/loss")
    notes = render_study_note(study, "#/runs", "Best: trial 3.").split("\n\n")
    assert notes[0] == "Best: trial 3."
    assert notes[1] == "Drawn faces."
    assert "[Compare the trials](#/runs)" in notes[2]
    assert notes[2].endswith("The trials differ in `depth`, `width`.")
    assert "`best/loss`" in notes[3]


def test_before_anything_came_out_there_is_a_guide_already(
    describe: Callable[..., StudyInfo],
) -> None:
    assert render_study_note(describe(), "#/runs").startswith("Drawn faces.")
