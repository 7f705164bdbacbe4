"""The options of the command `search`, checked before anything is read or started."""

import argparse
import math
import os
import re
from collections.abc import Callable
from typing import Any, get_args

from fer_tune import defaults
from fer_tune.common import cli
from fer_tune.data.read_options import LABELS_HELP, parse_labels
from fer_tune.study.tune.cluster_connection import parse_cluster_address

_SECONDS_PER_UNIT = {"": 1, "s": 1, "m": 60, "h": 3600}
_EXAMPLES = """\
examples:
  %(prog)s                             the demo faces, about five minutes
  %(prog)s --data fer2013.csv --space regularize --trials 60
  %(prog)s --resume NAME --trials 80   resume a study, with more trials
  %(prog)s --data fer2013.csv --space regularize --warm-start NAME
"""


def build_parser() -> cli.CommandParser:
    """Return the parser of the command line. Options that the user leaves out are None.

    It returns `--time-budget` in seconds, and `--gpus-per-trial` as a number or "auto".
    """
    parser = cli.CommandParser(
        prog=cli.format_program_name("search"),
        description="Run a hyperparameter study: find out what reduces overfitting.",
        epilog=_EXAMPLES,
    )
    _add_study_options(parser.add_argument_group("study"))
    _add_search_options(parser.add_argument_group("search"))
    _add_machine_options(parser.add_argument_group("machine"))
    _add_record_options(parser.add_argument_group("records"))
    return parser


Group = argparse._ArgumentGroup


def _add_option(
    group: Group, name: str, parse: Callable[[str], object], metavar: str, text: str, **more: Any
) -> None:
    group.add_argument(name, type=parse, metavar=metavar, help=text, **more)


def _add_study_options(group: Group) -> None:
    text = (
        "faces: fer2013.csv, image folders, a zip or parquet (default: $FER_TUNE_DATA, else "
        "data/, else drawn demo faces)"
    )
    _add_option(group, "--data", cli.parse_path, "PATH", text)
    text = "leave out faces that cannot be read"
    group.add_argument("--skip-bad", action="store_true", default=None, help=text)
    _add_option(group, "--labels", parse_labels, "PAIRS", LABELS_HELP)
    text = (
        "search space: paper, regularize, smoke, or a YAML file, which may have conditions (when:) "
        f"and a limit for the gap (constraints:) (default: {defaults.SPACE})"
    )
    _add_option(group, "--space", cli.parse_nonempty, "SPACE", text)
    _add_option(group, "--trials", _parse_count, "N", f"trials in all (default: {defaults.TRIALS})")
    text = f"epochs of a completed trial (default: {defaults.EPOCHS})"
    _add_option(group, "--epochs", _parse_count, "N", text)
    text = "train on a sample of N training faces, stratified by class"
    _add_option(group, "--train-faces", _parse_count, "N", text)
    _add_option(group, "--study", cli.parse_nonempty, "NAME", "its name (default: space and time)")


def _add_search_options(group: Group) -> None:
    text = f"what to optimise (default: {defaults.METRIC})"
    _add_option(group, "--metric", cli.parse_nonempty, "NAME", text)
    parse_seed = cli.make_number_parser(0, int, 2**31)
    text = f"seed of the proposals and of the training (default: {defaults.SEED})"
    _add_option(group, "--seed", parse_seed, "N", text)
    text = "give Optuna the trials of these studies, which used the same faces"
    _add_option(group, "--warm-start", cli.parse_nonempty, "STUDY", text, nargs="+")
    text = (
        "asha prunes weak trials at rungs; asha-promotion pauses them, and resumes those that turn "
        "out to be among the best; hyperband does the same, and draws each trial's first rung; "
        f"none completes every trial (default: {defaults.SCHEDULER})"
    )
    group.add_argument("--scheduler", choices=get_args(defaults.SchedulerName), help=text)
    text = f"epochs before the first rung (default: {defaults.GRACE})"
    _add_option(group, "--grace", _parse_count, "N", text)
    text = f"at each rung, one trial in N continues (default: {defaults.REDUCTION})"
    _add_option(group, "--reduction", cli.make_number_parser(2, int), "N", text)


def _add_machine_options(group: Group) -> None:
    text = "trials at once (default: as many as fit)"
    _add_option(group, "--concurrent", _parse_count, "N", text)
    _add_option(group, "--cpus-per-trial", _parse_count, "N", "CPU cores and threads of one trial")
    text = "GPUs of one trial; auto measures the best share (default: 0.25 if there is a GPU)"
    _add_option(group, "--gpus-per-trial", _parse_gpus, "X", text)
    _add_option(group, "--time-budget", _parse_seconds, "TIME", "stop after 90s, 30m or 2h")
    text = "use this Ray cluster (default: $RAY_ADDRESS, else Ray starts on this machine)"
    default = os.environ.get("RAY_ADDRESS")
    _add_option(group, "--address", parse_cluster_address, "ADDRESS", text, default=default)


def _add_record_options(group: Group) -> None:
    text = "MLflow's store: folder, database or server (default: mlruns/ in this folder)"
    _add_option(group, "--tracking-uri", cli.parse_nonempty, "URI", text)
    text = f"folder or s3://... of event logs and checkpoints (default: {defaults.STUDIES_FOLDER})"
    folder = str(defaults.STUDIES_FOLDER)
    _add_option(group, "--storage", cli.parse_nonempty, "DIR", text, default=folder)
    text = "continue this study, possibly with more --trials"
    _add_option(group, "--resume", cli.parse_nonempty, "STUDY", text)
    text = "print the space, the resources and three sampled trials; run nothing"
    group.add_argument("--dry-run", action="store_true", help=text)


_parse_count = cli.make_number_parser(1, int)


def _parse_gpus(text: str) -> float | str:
    return text if text == "auto" else cli.make_number_parser(0, float)(text)


_parse_gpus.__name__ = "number or auto"


def _parse_seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not match or not 0 < float(match[1]) < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 90s, 30m or 2h")
    return float(match[1]) * _SECONDS_PER_UNIT[match[2]]
