"""What a page is made of."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """A drawing.

    svg: an <svg> element that needs nothing beside it.
    alt: what it shows, for those who cannot see it.
    """

    svg: str
    alt: str


@dataclass(frozen=True)
class Table:
    """Cells of text; the first of a row names it."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class PredictedFace:
    """One face of a sheet.

    image: as a data: address.
    truth, told: class names; with how much confidence `told` is told, from 0 to 1.
    """

    image: str
    truth: str
    predicted: str
    confidence: float

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
    """An answer.

    words: in one sentence, what was found.
    note: how it was measured and how to read it.
    findings: further sentences, one below the other.
    code: to be shown as typed.
    """

    title: str
    summary: str
    note: str = ""
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    findings: Sequence[str] = ()
    sheets: Sequence[FaceSheet] = ()
    code: Sequence[str] = ()
