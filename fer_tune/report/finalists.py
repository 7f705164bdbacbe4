"""The section on the finalists: their scores with further seeds."""

from fer_tune.events import STATUS_WORDS
from fer_tune.report.load_study import ReportedStudy
from fer_tune.report.section import Section, Table
from fer_tune.scoring.finalist_means import FURTHER_SEEDS
from fer_tune.study.ranking import ScoredTrial
from fer_tune.study.records.trial_record import NUMBERS_PER_SEED
from fer_tune.terminal.finalists_summary import describe_finalists
from fer_tune.terminal.formatting import format_metric_name

TITLE = "Finalists"
NOTE = (
    "The best trials by their first scores are trained again with further seeds, the same for all. "
    "A trial may owe its first score to its seed. The best first scores are thus too optimistic. "
    "The mean over the seeds decides which trial is best. It contains the first score, so it is "
    "still a little too optimistic. The gap is a mean, too. A failed repeat does not count."
)


def build_finalists_section(study: ReportedStudy) -> Section | None:
    """Return the section: the score of each finalist with each seed; None without finalists."""
    finalists = [trial for trial in study.scored if trial.record.repeats]
    if not finalists:
        return None
    seeds = [f"seed {seed}" for seed in FURTHER_SEEDS]
    header = ["finalist", f"first {format_metric_name(study.metric)}", *seeds, "mean", "gap"]
    rows = [_build_row(trial, study.metric) for trial in finalists]
    summary = describe_finalists(finalists, study.metric)
    return Section(TITLE, summary, NOTE, tables=[Table(header, rows)])


def _build_row(finalist: ScoredTrial, metric: str) -> list[str]:
    cells = [f"{finalist.number:03d}", f"{finalist.metrics[metric]:.3f}"]
    by_seed = {repeat.number // NUMBERS_PER_SEED: repeat for repeat in finalist.record.repeats}
    for repeat in map(by_seed.get, FURTHER_SEEDS):
        if repeat and (best := repeat.find_result(metric)):
            cells.append(f"{best.metrics[metric]:.3f}")
        else:
            cells.append(STATUS_WORDS[repeat.ending] if repeat else "-")
    means = finalist.means
    return [*cells, *(f"{means[name]:.3f}" if means else "-" for name in (metric, "gap"))]
