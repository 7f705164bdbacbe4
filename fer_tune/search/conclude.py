"""The end of a study: what people see of it and are left with."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from fer_tune.data.faces import Splits
from fer_tune.study.ranking import score_trials
from fer_tune.study.records.settings import StudySettings
from fer_tune.study.records.study_storage import StudyStorage
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.terminal import study_summary
from fer_tune.tracking.store import Store, summarize_error
from fer_tune.tracking.ui import build_study_url, build_ui_command


@dataclass(frozen=True)
class StudyResult:
    """A study that has ended for now.

    over: whether all of its trials are.
    missing: what MLflow still lacks, for people.
    unwritten: what else could not be kept.
    """

    settings: StudySettings
    store: Store
    run_id: str
    trials: Sequence[TrialRecord]
    is_done: bool
    tracking_warning: str | None
    export_warning: str | None


def finish_study(
    console: Console,
    result: StudyResult,
    splits: Splits,
    storage: StudyStorage,
    store_options: Sequence[str],
    *,
    with_report: bool,
) -> None:
    """Show what came out, and what to type next.

    records: the options that say where its records are, for the commands that come next.
    report: make the study's report, unless MLflow lacks a part of the study.
    Raises SystemExit where the study is over and no trial gave a result.
    """
    for warning in filter(None, (result.tracking_warning, result.export_warning)):
        console.print(f"Warning: {warning}", style="bold", soft_wrap=True)
    study_summary.show_outcome(console, result.trials, result.settings)
    if with_report and not result.tracking_warning:
        _write_report(console, result.store, result.settings.name, storage, splits)
    _require_result(result)
    _show_next_commands(console, result, store_options)


def _write_report(
    console: Console, store: Store, name: str, storage: StudyStorage, splits: Splits
) -> None:
    """Write what the study found as a page; what keeps it from that is told, and no more."""
    try:
        from fer_tune.report.page import write_report

        with console.status("making the report (Ctrl-C leaves it out)"):
            page = write_report(store, name, storage, splits=splits)
        console.print(f"Report: {page}", soft_wrap=True)
    except KeyboardInterrupt:
        print("No report; python -m fer_tune.report makes it", file=sys.stderr)
    except Exception as error:  # a study is worth more than its page
        print(f"Warning: no report of study {name}: {summarize_error(error)}", file=sys.stderr)


def _require_result(result: StudyResult) -> None:
    if result.is_done and not score_trials(result.trials, result.settings.metric):
        raise SystemExit(
            "No trial gave a result: see error.txt of its run in MLflow; "
            f"--resume {result.settings.name} with more --trials tries others."
        )


def _show_next_commands(
    console: Console, result: StudyResult, store_options: Sequence[str]
) -> None:
    page = build_study_url(result.store, result.run_id)
    left = "Not all is recorded" if result.tracking_warning else None
    left = left if result.is_done else "Not all trials are done"
    study_summary.show_next_steps(
        console, result.settings, build_ui_command(result.store), page, store_options, left
    )
