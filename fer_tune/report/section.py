"""The parts of a report: sections with pictures, tables and sheets of faces."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """A drawing.

    svg: an <svg> element that needs no other file.
    alt: a description for readers who cannot see it.
    """

    svg: str
    alt: str


@dataclass(frozen=True)
class Table:
    """Cells of text; the first cell of a row is its name."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class PredictedFace:
    """A face with its true and its predicted class.

    image: a data: URL.
    confidence: probability of the predicted class, 0 to 1.
    name: see `fer_tune.data.faces.Faces`.
    """

    image: str
    truth: str
    predicted: str
    confidence: float
    name: str = ""

    @property
    def is_correct(self) -> bool:
        return self.truth == self.predicted


@dataclass(frozen=True)
class FaceSheet:
    """Faces under a heading."""

    heading: str
    faces: Sequence[PredictedFace]


@dataclass(frozen=True)
class Section:
    """The answer to one question about a study.

    summary: the answer in a few sentences.
    note: how the numbers were measured, and how to read the pictures.
    findings: further sentences, each a paragraph.
    code: texts that are shown as typed.
    """

    title: str
    summary: str
    note: str = ""
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    findings: Sequence[str] = ()
    sheets: Sequence[FaceSheet] = ()
    code: Sequence[str] = ()
