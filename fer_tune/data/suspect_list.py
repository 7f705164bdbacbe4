"""The list of suspects, suspects.csv: the training faces, the most unlikely label first."""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os.path import commonprefix
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_tune.common.cli import format_command_line
from fer_tune.common.errors import UserError, explain_os_errors
from fer_tune.common.safe_text import join_first, pluralize
from fer_tune.data.faces import Faces, Splits
from fer_tune.data.read_options import ReadOptions

COLUMNS = ("face", "label", "guess", "probability")


def format_suspects(
    faces: Faces,
    classes: Sequence[str],
    probabilities: NDArray[np.float64],  # (N, C), out of fold
) -> str:
    """Return the list as CSV, with a line for each face in the order of `faces`.

    guess: the most likely class. probability: that of the given label.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, label, own in zip(faces.names, faces.labels, probabilities, strict=True):
        writer.writerow([name, classes[label], classes[own.argmax()], f"{own[label]:.6g}"])
    return text.getvalue()


@dataclass(frozen=True, eq=False)
class SuspectList:
    """A list of suspects, as read from a file.

    path: the absolute path of the file.
    labels: given labels by the names of the faces, the most suspicious face first.
    content_hash: SHA-256 of the file.
    """

    path: Path
    labels: Mapping[str, str]
    content_hash: str

    def rank_faces(self, splits: Splits) -> Splits:
        """Return the splits with the positions of the training faces, see `Faces.suspect_ranks`.

        If the files have moved inside the data set, the names differ in their common start.
        Raises UserError if the list is of other faces, or of other labels.
        """
        names, listed = splits.train.names.tolist(), self.labels
        if listed.keys().isdisjoint(names):
            ends, listed_ends = _cut_common_start(names), _cut_common_start(list(listed))
            if set(ends) == set(listed_ends):
                names, listed = ends, dict(zip(listed_ends, listed.values(), strict=True))
        classes = [splits.classes[label] for label in splits.train.labels]
        given = dict(zip(names, classes, strict=True))
        advice = "make the list of these faces with fer-tune suspects"
        for own, others, verb in ((given, listed, "lacks"), (listed, given, "also has")):
            if missing := [name for name in own if name not in others]:
                count = pluralize(len(missing), "training face" if own is given else "other face")
                problem = f"{self.path} {verb} {count} ({join_first(missing, 3)})"
                raise UserError(f"{problem}; {advice}")
        for name, label in listed.items():
            if label != given[name]:
                problem = f"{self.path}: {name} is {label} there, and {given[name]} in the data"
                raise UserError(f"{problem}; {advice}")
        positions = {name: position for position, name in enumerate(listed)}
        ranks = np.array([positions[name] for name in names], np.int64)
        return replace(splits, train=replace(splits.train, suspect_ranks=ranks))


def _cut_common_start(names: Sequence[str]) -> list[str]:
    start = len(commonprefix(names))  # noqa: RUF071 (a row's number may follow, not a folder)
    return [name[start:] for name in names]


def rank_new_suspects(
    splits: Splits, options: ReadOptions, path: Path | None, *, is_needed: bool
) -> tuple[Splits, SuspectList | None]:
    """Return the splits of a new study, with the positions of its training faces in the list.

    options: how the faces are read, for the command that makes a list.
    path: as `--suspects` names it.
    is_needed: whether some trials leave out suspects.
    Raises UserError if only one of the two is the case.
    """
    if path is None and is_needed:
        arguments = [str(splits.origin)] if splits.origin else []
        arguments += ["--skip-bad"] if options.skip_bad else []
        arguments += ["--labels", options.labels] if options.labels else []
        command = format_command_line("fer_tune.suspects", arguments)
        advice = f"make it with the command {command}, and name the file with --suspects"
        raise UserError(f"labels: without_suspects needs a list of suspects; {advice}")
    if path and not is_needed:
        advice = "give labels the value without_suspects, or leave out the option"
        raise UserError(f"--suspects {path}: no trial leaves out suspects; {advice}")
    suspects = read_suspects(path) if path else None
    return suspects.rank_faces(splits) if suspects else splits, suspects


def read_recorded_suspects(
    recorded: str | Path | None, content_hash: str | None, moved: Path | None
) -> SuspectList:
    """Return the list of suspects that an earlier study began with.

    recorded, content_hash: path and hash of the list; None if the study began without a list.
    moved: where the list is now, as `--suspects` names it; None if it has not moved.
    Raises UserError if the list is missing, or if another one is there.
    """
    path = moved or recorded
    if path is None or content_hash is None:
        raise UserError("--suspects: the study began without a list; leave out the option")
    suspects = read_suspects(Path(path))
    if suspects.content_hash != content_hash:
        problem = f"{suspects.path} is not the list of suspects that the study began with"
        raise UserError(f"{problem}; name this list with --suspects")
    return suspects


def read_suspects(path: Path) -> SuspectList:
    """Return the list of suspects in a file. Raises UserError if there is none."""
    with explain_os_errors(f"{path} cannot be read", "name a suspects.csv with --suspects"):
        content = path.read_bytes()
    advice = "make the list with fer-tune suspects"
    try:
        # Strict: a file that was cut inside quotes is an error.
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True))
    except (ValueError, csv.Error) as error:
        raise UserError(f"{path} is not a list of suspects ({error}); {advice}") from None
    if not rows or not {"face", "label"} <= rows[0].keys():
        problem = "it has no columns face and label" if rows else "it has no faces"
        raise UserError(f"{path} is not a list of suspects ({problem}); {advice}")
    labels = {str(row["face"]): str(row["label"]) for row in rows}
    if len(labels) < len(rows):
        raise UserError(f"{path} lists a face twice; {advice}")
    return SuspectList(path.resolve(), labels, hashlib.sha256(content).hexdigest())
