import pytest

from benchmarks.experiments import compare_labels


def test_the_recorded_studies_have_both_networks_on_both_kinds_of_labels(
    capsys: pytest.CaptureFixture[str],
) -> None:
    compare_labels.main([])
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if " ± " in line]
    kinds = [(row[0].removeprefix("| "), row[1]) for row in rows]
    networks = ("baseline", "best of `long`")
    assert kinds == 3 * [(network, labels) for network in networks for labels in ("given", "votes")]


def test_only_completed_trials_count() -> None:
    trials = list(compare_labels.read_completed_trials(compare_labels.FOLDER))
    assert {len(trial.history) for trial in trials} == {24}
