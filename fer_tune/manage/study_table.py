"""The table of all studies, and the same as JSON."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from fer_tune.common.disk_or_bucket import is_bucket
from fer_tune.common.safe_text import join_first
from fer_tune.defaults import METRIC, STUDIES_FOLDER
from fer_tune.study.records.settings import FILE
from fer_tune.terminal.formatting import build_borderless_table, format_metric_name
from fer_tune.tracking.list_studies import ListedStudy, list_studies
from fer_tune.tracking.mlflow_command import format_mlflow_command
from fer_tune.tracking.store import Store

_HEADERS = ["study", "trials", "best", "score", "gap", "begun", "data", "where"]
_LONGEST_ROW = 1000  # in a pipe or file, where no column is left out
_LONGEST_NAME = 40  # of a name that is not folded
_LEFT_OUT_FIRST = (7, 6, 5, 2)  # columns that a narrow terminal lacks


def show_studies(console: Console, store: Store, storage: str | None, *, as_json: bool) -> None:
    """Print all studies of the store, the newest last, then those that only the storage has.

    storage: where studies are looked for; None for where each was begun.
    as_json: print JSON for programs, and nothing else.
    """
    studies = list_studies(store)
    places = {study.run_id: find_storage(study.name, study.storage, storage) for study in studies}
    folders = _list_folders(storage or str(STUDIES_FOLDER))
    unrecorded = sorted(folders - {study.name for study in studies})
    if as_json:
        listed = [{**asdict(each), "storage": places[each.run_id]} for each in studies]
        console.out(json.dumps({"studies": listed, "not_in_mlflow": unrecorded}, indent=2))
        return
    if studies:
        rows = [_format_row(study, places[study.run_id]) for study in studies]
        table = build_borderless_table(_HEADERS, rows, optional=_LEFT_OUT_FIRST)
        # People copy names, so columns are left out before a usual name is folded.
        table.columns[0].no_wrap = max(len(study.name) for study in studies) <= _LONGEST_NAME
        if not console.is_interactive:
            console.width = _LONGEST_ROW
        console.print(table)
    _show_notes(console, store, studies, unrecorded)


def find_storage(name: str, recorded: str | None, given: str | None) -> str | None:
    """Return the storage of a study; None if its files are not found on this machine.

    recorded: the storage in which the study was begun, maybe on another machine.
    given: the storage that the user names.
    """
    for address in [given] if given else [recorded, str(STUDIES_FOLDER)]:
        if address and (is_bucket(address) or os.access(Path(address) / name / FILE, os.F_OK)):
            return address
    return None


def _list_folders(storage: str) -> set[str]:
    if is_bucket(storage):
        return set()
    return {path.parent.name for path in Path(storage).glob(f"*/{FILE}")}


def _format_row(study: ListedStudy, storage: str | None) -> list[str]:
    counts = ", ".join(f"{count} {status}" for status, count in study.trials.items())
    begun = datetime.fromtimestamp(study.begun / 1000, UTC).astimezone()
    name = "" if study.metric == METRIC else f" {format_metric_name(study.metric)}"
    return [
        study.name,
        "deleted in MLflow" if study.status == "deleted" else counts or "none",
        "-" if study.best_trial is None else f"{study.best_trial:03d}",
        "-" if study.score is None else f"{study.score:.3f}{name}",
        "-" if study.gap is None else f"{study.gap:.3f}",
        f"{begun:%Y-%m-%d %H:%M}",
        Path(study.data).name,
        storage or "not here",
    ]


def _show_notes(
    console: Console, store: Store, studies: Sequence[ListedStudy], unrecorded: Sequence[str]
) -> None:
    if not studies:
        console.print(f"No studies in {store}.")
    for study in studies:
        if study.status == "deleted":
            restore = format_mlflow_command(store.uri, "runs", "restore", "--run-id", study.run_id)
            console.print(f"To restore {study.name}: {restore}", soft_wrap=True)
    if unrecorded:
        console.print(
            f"Not in {store}: {join_first(unrecorded)}. To record a study there, resume it.",
            soft_wrap=True,
        )
