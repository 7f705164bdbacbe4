from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from fer_tune.report.ablation import ONE_SEED_NOTE, build_ablation_section
from fer_tune.report.load_study import ReportedStudy
from fer_tune.study.ablation_plan import Ablation
from fer_tune.study.records.trial_record import TrialRecord
from tests.ablation import add_gains, make_ablation, run_all

GAINS = [0.2, -0.1, 0.0, 0.05]


@pytest.fixture
def ablated(
    study: Callable[..., ReportedStudy],
) -> Callable[[Ablation, Sequence[TrialRecord]], ReportedStudy]:
    """Make a reported study that is an ablation with these trials."""

    def make(ablation: Ablation, records: Sequence[TrialRecord]) -> ReportedStudy:
        own = study(*records)
        settings = {**own.run.settings, "ablation": ablation.model_dump_json()}
        return replace(own, run=replace(own.run, settings=settings))

    return make


Make = Callable[[Ablation, Sequence[TrialRecord]], ReportedStudy]


def test_the_section_has_tables_waterfalls_and_the_changes(ablated: Make) -> None:
    ablation = make_ablation(4, seeds=2)
    section = build_ablation_section(ablated(ablation, run_all(ablation, add_gains(GAINS))))
    assert [table.header[0] for table in section.tables] == ["macro F1", "gap"]
    assert all(len(table.rows) == 1 + 4 for table in section.tables)
    assert len(section.pictures) == 4
    assert section.pictures[0].alt == (
        "macro F1 along the path: baseline 0.500, + network shape 0.700, + averaging 0.750, "
        "+ augmentation 0.750, + mixup 0.650."
    )
    (finding,) = section.findings
    assert "to trial 007 of study first: network shape (depth 3 to 4, width 32 to 16);" in finding
    assert "with 10 degrees of freedom" in section.note
    assert section.note.endswith(
        "\N{DAGGER} more than the seeds vary, but other faces may not confirm it."
    )
    assert "The tables have 24 effects." in section.note


def test_the_note_says_what_the_intervals_lack(ablated: Make) -> None:
    ablation = make_ablation(4)
    section = build_ablation_section(ablated(ablation, run_all(ablation, add_gains(GAINS))))
    assert ONE_SEED_NOTE in section.note
    assert "validation faces for two" not in section.note
    assert "thick part" not in section.note
    assert section.note.endswith(" * unlikely to be chance.")


@pytest.mark.parametrize("count", [0, 1, 2, 8])
def test_an_ablation_that_still_runs_is_shown(ablated: Make, count: int) -> None:
    ablation = make_ablation(4)
    records = run_all(ablation, add_gains(GAINS))[:count]
    section = build_ablation_section(ablated(ablation, records))
    assert len(section.tables) == 2
    assert section.summary


def test_an_ablation_whose_baseline_failed_is_shown(ablated: Make) -> None:
    ablation = make_ablation(4)
    scores = add_gains(GAINS)
    del scores[frozenset()]
    section = build_ablation_section(ablated(ablation, run_all(ablation, scores)))
    assert "Failed: 000 baseline." in section.summary
    assert len(section.pictures) == 2  # what each change brings in the end
