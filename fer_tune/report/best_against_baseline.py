"""The section that compares the best trial with the baseline."""

from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.plotting import draw_rows
from fer_tune.report.section import Section, Table
from fer_tune.scoring.metric_estimates import estimate_metric, estimate_metric_difference
from fer_tune.terminal.formatting import format_metric_name
from fer_tune.terminal.study_summary import SUMMARY_METRICS, describe_improvement

TITLE = "Improvement over the baseline"
NOTE = (
    "Each trial is scored at its best epoch on the same validation faces. Numbers in brackets and "
    "bars are 95 % bootstrap intervals over these faces. The best trial was also selected on them, "
    "so its scores are optimistic. Retraining measures it on the test faces. A difference may be "
    "chance if its interval contains 0. Chance is here the choice of the faces, not of the seed."
)


def build_baseline_section(study: ReportedStudy) -> Section:
    """Return the section: scores of the best trial and of the baseline."""
    metrics = list(dict.fromkeys([study.metric, *SUMMARY_METRICS]))
    trials = study.compared_trials
    estimates = {
        label: [estimate_metric(trial.best_epoch, metric) for metric in metrics]
        for label, trial in trials.items()
    }
    columns = dict(estimates)
    if len(trials) == 2:
        before, after = (trial.best_epoch for trial in trials.values())
        columns["difference"] = [estimate_metric_difference(after, before, m) for m in metrics]
    names = [format_metric_name(metric) for metric in metrics]
    cells = zip(names, *(map(format, column) for column in columns.values()), strict=True)
    summary = describe_improvement(study.scored, study.metric, study.space.max_gap, study.classes)
    alt = f"The scores of the table as points with bars: {', '.join(estimates)}."
    loss = "; loss in nats" if study.metric.endswith("loss") else ""
    xlabel = f"accuracy and gap as shares of faces; F1 from 0 to 1{loss}"
    picture = draw_rows(alt, names, xlabel, estimates)
    return Section(TITLE, summary, NOTE, [picture], [Table(["", *columns], list(cells))])
