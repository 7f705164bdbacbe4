"""What `search`, `ablate` and `train` decide on a new study in the same way."""

import difflib
import re
import time
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fer_tune.common.errors import UserError
from fer_tune.common.safe_text import pluralize
from fer_tune.data.demo.demo_splits import DEMO_SOURCE
from fer_tune.data.faces import Splits
from fer_tune.data.read_options import ReadOptions
from fer_tune.data.suspect_list import SuspectList, rank_new_suspects
from fer_tune.scoring.metrics import list_metric_names
from fer_tune.scoring.vote_metrics import list_vote_metric_names
from fer_tune.study.records.study_storage import StudyStorage


def name_study(storage: StudyStorage, name: str | None, start: str, splits: Splits) -> str:
    """Return the name of a new study; on demo faces, it begins with "demo".

    name: as the user names it.
    start: if the user gives no name, it begins like this, and the time follows.
    Raises UserError if the storage has a study of this name already.
    """
    name = name or f"{start}-{time.strftime('%m%d-%H%M%S')}"
    if splits.source == DEMO_SOURCE and not name.startswith("demo"):
        name = f"demo-{name}"
    storage.fetch_study(name)
    storage.check_name_available(name)
    return name


def prepare_faces(
    splits: Splits, options: ReadOptions, labels: Collection[object], suspects: Path | None
) -> tuple[Splits, dict[str, Any]]:
    """Return the faces of a new study, and the settings that describe them.

    options: how the faces were read.
    labels: values of the hyperparameter `labels` that its trials may have.
    suspects: path of the list of suspects, as the user names it.
    Raises UserError if the trials need votes or suspects that the faces do not have.
    """
    check_labels(labels, splits)
    is_needed = "without_suspects" in labels
    splits, ranked_by = rank_new_suspects(splits, options, suspects, is_needed=is_needed)
    return splits, describe_faces(splits, options, ranked_by)


def describe_faces(
    splits: Splits, options: ReadOptions, suspects: SuspectList | None
) -> dict[str, Any]:
    """Return the settings of a new study that say which faces it has."""
    return {
        "data": splits.origin,
        **asdict(options),
        "faces_hash": splits.content_hash(),
        "votes_hash": splits.votes_hash(),
        "suspects": suspects and suspects.path,
        "suspects_hash": suspects and suspects.content_hash,
    }


def check_labels(labels: Collection[object], splits: Splits) -> None:
    """Raise UserError if trials train on labels that these faces do not have.

    labels: values of the hyperparameter `labels`.
    """
    if "votes" in labels and splits.train.votes is None:
        problem = f"labels: votes needs people's votes, but {splits.source} has none"
        faces = "" if splits.origin else "real faces with --data, and "
        advice = f"name {faces}a table of them with --votes, such as fer2013new.csv"
        raise UserError(f"{problem}; {advice}")


def check_finalists(given: int | None, trials: int, recorded: int = 0) -> int:
    """Return the number of finalists.

    given: `--finalists`, as the user names it.
    trials: number of trials of the study.
    recorded: the number that the study began with, if it is resumed.
    Raises UserError if the study cannot have so many, or has more already.
    """
    finalists = recorded if given is None else given
    if finalists < recorded:
        raise UserError(f"--finalists {given}: the study has {recorded} already; give more")
    if finalists > trials:
        count = pluralize(trials, "trial")
        raise UserError(f"--finalists {given}: the study has {count}; give fewer, or more --trials")
    return finalists


def check_metric(name: str, splits: Splits) -> str:
    """Return the name of a metric. Raises UserError if these faces have no such metric."""
    known, of_votes = list_metric_names(splits.classes), list_vote_metric_names()
    if splits.validation.votes is not None:
        known += of_votes
    if name in known:
        return name
    if name in of_votes:
        problem = "it compares with people's votes, which these faces lack"
        raise UserError(f"--metric {name}: {problem}; name a table of them with --votes")
    closest = [f"closest: {each}" for each in difflib.get_close_matches(name, known, 1, 0.7)]
    # The metrics of all classes would be a long list.
    brief = dict.fromkeys(re.sub(r"(_\w+/).+", r"\1CLASS", metric) for metric in known)
    advice = "; ".join([*closest, f"there are: {', '.join(brief)}"])
    raise UserError(f"--metric {name}: there is no such metric; {advice}")
