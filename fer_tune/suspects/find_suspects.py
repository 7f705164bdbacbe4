"""The search for suspects: cross-validation, then the list and the sheet of faces."""

from argparse import Namespace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from fer_tune.common import atomic
from fer_tune.common.console import show_step
from fer_tune.common.disk_or_bucket import DiskDirectory
from fer_tune.common.errors import explain_os_errors
from fer_tune.common.lock import LOCK, hold_lock
from fer_tune.common.safe_text import make_folder_name
from fer_tune.data.faces import Splits
from fer_tune.data.load import load_splits
from fer_tune.data.read_options import ReadOptions
from fer_tune.data.suspect_list import format_suspects
from fer_tune.suspects.out_of_fold import CrossValidation, predict_out_of_fold
from fer_tune.terminal.formatting import show_data_source

LIST, SHEET = "suspects.csv", "suspects.png"
_CHECKPOINTS = "unfinished-"  # start of the name of a folder, which is deleted at the end


def find_suspects(console: Console, args: Namespace, command: str) -> None:
    """Write the list of suspects and the sheet of faces, and print where they are.

    args: the parsed command line of `suspects`.
    command: the command line, to say how to continue.
    Raises UserError for a mistake in the options.
    """
    with show_step(console, "reading the faces"):
        splits = load_splits(args.path, ReadOptions(args.skip_bad, args.labels))
    show_data_source(console, splits)
    name = make_folder_name(Path(splits.source).stem)
    folder = args.out or Path("mlruns", "suspects", name)
    settings = CrossValidation(args.folds, args.epochs, args.seed)
    with hold_lock(folder / LOCK, f"a search for suspects in {folder}"):
        directory = DiskDirectory(folder)
        checkpoints = directory / f"{_CHECKPOINTS}{settings.hash_with(splits)}"
        advice = "name another folder with --out"
        try:
            with explain_os_errors(f"{folder} cannot be written", advice):
                probabilities = predict_out_of_fold(console, splits, settings, checkpoints)
                _write_results(splits, probabilities, folder)
        except KeyboardInterrupt:
            hint = f"Stopped. The same command continues after the last epoch: {command}"
            console.print(hint, soft_wrap=True)
            raise
        for other in directory.list_names():
            if other.startswith(_CHECKPOINTS):
                directory.delete(other)
    share = (probabilities.argmax(1) == splits.train.labels).mean()
    console.print(f"\nThe networks guess the given label of {share:.1%} of the training faces.")
    console.print("A suspect may be labelled correctly: look at the sheet.")
    console.print(f"\nList: {folder / LIST}\nSheet: {folder / SHEET}", soft_wrap=True)


def rank_suspects(
    probabilities: NDArray[np.float64],  # (N, C), out of fold
    labels: NDArray[np.int64],  # (N,), the given ones
) -> NDArray[np.int64]:
    """Return the positions of the faces, (N,), the most suspicious first.

    They are sorted by the margin (Northcutt, Jiang & Chuang 2021, "Confident Learning", section 3).
    It is the probability of the given label minus that of the most likely other class. Faces that
    are guessed as labelled come last. The authors' library, cleanlab, has the AGPL, so it cannot be
    a dependency. On FER2013, people's votes confirm more of the first suspects with the margin
    than with the probability of the label alone. They confirm far fewer if either is taken relative
    to its mean in the class.
    """
    is_given = labels[:, None] == np.arange(probabilities.shape[1])
    own = probabilities[is_given]
    margin = own - np.where(is_given, -1, probabilities).max(axis=1)
    return np.argsort(margin, kind="stable")


def _write_results(splits: Splits, probabilities: NDArray[np.float64], folder: Path) -> None:
    from fer_tune.data.plots import plot_faces_by_class

    order = rank_suspects(probabilities, splits.train.labels)
    faces, ranked = splits.train.take(order), probabilities[order]
    guesses = [splits.classes[guess] for guess in ranked.argmax(1)]
    title = f"{splits.source}: the most suspicious faces of each label, with guesses below"
    plot_faces_by_class(faces, splits.classes, folder / SHEET, title=title, captions=guesses)
    content = format_suspects(faces, splits.classes, ranked)
    atomic.write_file(folder / LIST, content.encode())
