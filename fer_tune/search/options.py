"""The options of `python -m fer_tune.search`, checked before anything is read or started."""

import argparse
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from fer_tune.common.cli import (
    CommandParser,
    format_program_name,
    make_number_parser,
    parse_nonempty,
    parse_path,
)
from fer_tune.defaults import (
    EPOCHS,
    GRACE,
    METRIC,
    REDUCTION,
    SCHEDULER,
    SEED,
    SPACE,
    STUDIES_FOLDER,
    TRIALS,
    SchedulerName,
)

_SECONDS_PER_UNIT = {"": 1, "s": 1, "m": 60, "h": 3600}
_EXAMPLES = """\
examples:
  %(prog)s                             the demo faces, about five minutes
  %(prog)s --data fer2013.csv --space regularize --trials 60
  %(prog)s --resume NAME --trials 80   go on, with more trials
  %(prog)s --data fer2013.csv --space regularize --warm-start NAME
"""


@dataclass(frozen=True)
class SearchOptions:
    """The command line of a search; None where the user left an option out.

    time_budget: seconds.
    """

    data: Path | None
    skip_bad: bool | None
    space: str | None
    trials: int | None
    epochs: int | None
    train_faces: int | None
    study: str | None
    warm_start: list[str] | None
    metric: str | None
    seed: int | None
    scheduler: SchedulerName | None
    grace: int | None
    reduction: int | None
    concurrent: int | None
    cpus_per_trial: int | None
    gpus_per_trial: float | Literal["auto"] | None
    time_budget: float | None
    address: str | None
    tracking_uri: str | None
    storage: str
    resume: str | None
    dry_run: bool


def build_parser() -> CommandParser:
    """What reads the command line."""
    made = CommandParser(
        prog=format_program_name("search"),
        description="Run a hyperparameter study: find out what counters overfitting.",
        epilog=_EXAMPLES,
    )
    _add_study_options(made)
    _add_search_options(made)
    _add_machine_options(made)
    _add_record_options(made)
    return made


def parse_options(argv: Sequence[str] | None) -> SearchOptions:
    """The command line; exits with code 2 where it is wrong."""
    reader = build_parser()
    options = reader.parse_args(argv)
    if options.resume is not None:
        _refuse_changes(reader, options)
    return SearchOptions(**vars(options))


def _add_study_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the study")
    group.add_argument(
        "--data",
        type=parse_path,
        metavar="PATH",
        help="faces: fer2013.csv, image folders, a zip or parquet "
        "(default: $FER_TUNE_DATA, else data/, else drawn demo faces)",
    )
    group.add_argument(
        "--skip-bad", action="store_true", default=None, help="go on without unreadable faces"
    )
    group.add_argument(
        "--space",
        type=parse_nonempty,
        metavar="SPACE",
        help="search space: a YAML file, also of parameters that exist only under others' values "
        "(when:) and with a largest gap (constraints:), or one of paper, regularize, smoke "
        f"(default: {SPACE})",
    )
    group.add_argument(
        "--trials", type=make_number_parser(1, int), metavar="N", help=f"default: {TRIALS}"
    )
    group.add_argument(
        "--epochs",
        type=make_number_parser(1, int),
        metavar="N",
        help=f"of a full trial (default: {EPOCHS})",
    )
    group.add_argument(
        "--train-faces",
        type=make_number_parser(1, int),
        metavar="N",
        help="train on a stratified sample",
    )
    group.add_argument(
        "--study", type=parse_nonempty, metavar="NAME", help="default: the space and the time"
    )


def _add_search_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the search")
    group.add_argument(
        "--metric", type=parse_nonempty, metavar="NAME", help=f"to search by (default: {METRIC})"
    )
    group.add_argument(
        "--seed", type=make_number_parser(0, int, 2**31), metavar="N", help=f"default: {SEED}"
    )
    group.add_argument(
        "--warm-start",
        type=parse_nonempty,
        nargs="+",
        metavar="STUDY",
        help="start from what these studies found on the same faces",
    )
    group.add_argument(
        "--scheduler",
        choices=get_args(SchedulerName),
        help="of weak trials at a rung, asha stops them; asha-promotion pauses them, and resumes "
        "those that turn out to be among the best; hyperband does so too, with first rungs that "
        "are drawn for each trial, by the seed; none trains all in full "
        f"(default: {SCHEDULER})",
    )
    group.add_argument(
        "--grace",
        type=make_number_parser(1, int),
        metavar="N",
        help=f"epochs before the first rung (default: {GRACE})",
    )
    group.add_argument(
        "--reduction",
        type=make_number_parser(2, int),
        metavar="N",
        help=f"at each rung, one trial in N goes on (default: {REDUCTION})",
    )


def _add_machine_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the machine")
    group.add_argument(
        "--concurrent",
        type=make_number_parser(1, int),
        metavar="N",
        help="trials at once (default: as fit)",
    )
    group.add_argument(
        "--cpus-per-trial", type=make_number_parser(1, int), metavar="N", help="cores and threads"
    )
    group.add_argument(
        "--gpus-per-trial",
        type=_parse_gpus,
        metavar="X",
        help="a fraction shares a GPU, auto measures which is best (default: 0.25 of one)",
    )
    group.add_argument(
        "--time-budget", type=_parse_seconds, metavar="TIME", help="stop then: 90s, 30m, 2h"
    )
    group.add_argument(
        "--address",
        type=parse_nonempty,
        default=os.environ.get("RAY_ADDRESS") or None,
        metavar="ADDRESS",
        help="of a Ray cluster (default: RAY_ADDRESS, else Ray is started here)",
    )


def _add_record_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("records")
    group.add_argument(
        "--tracking-uri",
        type=parse_nonempty,
        metavar="URI",
        help="of MLflow (default: mlruns/ in this folder)",
    )
    group.add_argument(
        "--storage",
        type=parse_nonempty,
        default=str(STUDIES_FOLDER),
        metavar="DIR",
        help=f"journals and checkpoints: a folder, or s3://bucket/... (default: {STUDIES_FOLDER})",
    )
    group.add_argument(
        "--resume", type=parse_nonempty, metavar="STUDY", help="go on with a study that was stopped"
    )
    group.add_argument(
        "--dry-run", action="store_true", help="show space, resources and three trials; run nothing"
    )


# What a study settled when it began. The place of its faces is not: they may have been moved.
_FIXED_OPTIONS = (
    "skip_bad",
    "space",
    "epochs",
    "train_faces",
    "study",
    "warm_start",
    "metric",
    "seed",
    "scheduler",
    "grace",
    "reduction",
)


def _refuse_changes(parser: CommandParser, options: argparse.Namespace) -> None:
    given = [name for name in _FIXED_OPTIONS if getattr(options, name) is not None]
    if given:
        option = f"--{given[0].replace('_', '-')}"
        parser.error(f"{option} cannot be changed in a resumed study; leave it out")


def _parse_gpus(text: str) -> float | str:
    return text if text == "auto" else make_number_parser(0, float)(text)


_parse_gpus.__name__ = "number or auto"


def _parse_seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not match or not 0 < float(match[1]) < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 90s, 30m or 2h")
    return float(match[1]) * _SECONDS_PER_UNIT[match[2]]
