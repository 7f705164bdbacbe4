"""Compare training on given labels and on people's votes, from the recorded studies `labels-*`.

python -m benchmarks.experiments.compare_labels [FOLDER]   seconds; trains nothing

The tables have the mean and the standard deviation over the studies, whose seeds differ.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.markdown_table import format_markdown_table
from fer_tune.scoring.metrics import EpochResult
from fer_tune.study.records.event_log import read_trials
from fer_tune.study.records.trial_record import TrialRecord
from fer_tune.terminal.formatting import format_mean_and_std

FOLDER = Path(__file__).parents[1] / "studies"
METRIC = "val/macro_f1"
# The trials of benchmarks/studies/labels.yaml, by whether their faces are augmented.
NETWORKS = {False: "baseline", True: "best of `long`"}
SCORES = {
    "validation accuracy": "val/accuracy",
    "macro F1": "val/macro_f1",
    "gap": "gap",
    "validation accuracy, votes": "val/votes_accuracy",
    "macro F1, votes": "val/votes_macro_f1",
    "gap, votes": "votes_gap",
}
GROUPS = {
    "gap": "gap",
    "part from disputed faces": "gap_from_disputed",
    "train, agreed": "train/agreed_accuracy",
    "validation, agreed": "val/agreed_accuracy",
    "train, disputed": "train/disputed_accuracy",
    "validation, disputed": "val/disputed_accuracy",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table of the best epochs, and one of the last."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.experiments.compare_labels")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, help="of the studies")
    trials = list(read_completed_trials(parser.parse_args(argv).folder))
    print("At the epoch with the best macro F1:\n")
    print(format_table(trials, SCORES, is_last=False))
    print("\nAt the last epoch:\n")
    print(format_table(trials, SCORES, is_last=True))
    print("\nOn agreed and on disputed faces, at the last epoch:\n")
    print(format_table(trials, GROUPS, is_last=True))


def read_completed_trials(folder: Path) -> Iterable[TrialRecord]:
    """Yield the completed trials of all studies `labels-*` in a folder."""
    for path in sorted(folder.glob("labels-*")):
        yield from (trial for trial in read_trials(path) if trial.ending == "finished")


def format_table(trials: Sequence[TrialRecord], columns: dict[str, str], is_last: bool) -> str:
    """Return a row for each network and kind of labels.

    columns: metrics by the headings of their columns.
    is_last: whether the values are those of the last epoch instead of the best.
    """
    rows = []
    for augmented, network in NETWORKS.items():
        for labels in ("given", "votes"):
            own = [
                trial
                for trial in trials
                if trial.config.labels == labels and bool(trial.config.augmentation) == augmented
            ]
            if not own:
                continue
            results = [_pick_epoch(trial, is_last) for trial in own]
            cells = (
                format_mean_and_std([result.metrics[name] for result in results])
                for name in columns.values()
            )
            rows.append((network, labels, str(len(own)), *cells))
    return format_markdown_table(("network", "labels", "seeds", *columns), rows)


def _pick_epoch(trial: TrialRecord, is_last: bool) -> EpochResult:
    best = trial.history[-1] if is_last else trial.find_best_epoch(METRIC)
    assert best is not None
    return best


if __name__ == "__main__":
    main()
