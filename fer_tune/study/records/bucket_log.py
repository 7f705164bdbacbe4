"""A study's journal in a bucket, where nothing can be appended to: as numbered parts."""

from pathlib import Path

from fer_tune.common import atomic
from fer_tune.common.errors import UserError
from fer_tune.common.filesystem import Directory
from fer_tune.events import Event

LINES_PER_CHUNK = 256  # of a part, which is written anew with each of them


class BucketLog:
    """Puts what is told into the bucket, as the journal writes it; an observer.

    study: the study's folder in the bucket.
    journal: the file here, which may be ahead of the bucket by what a kill kept from it.
    """

    def __init__(self, study_dir: Directory, local_log: Path) -> None:
        self._study, self._folder = study_dir, study_dir / "journal"
        self._part = len(self._folder.list_names())
        self._lines: list[str] = []
        here = local_log.read_bytes() if local_log.exists() else b""
        ahead = here[len(read_parts(study_dir)) :]
        if ahead:
            self._upload_chunk(ahead)
            self._part += 1

    def on_event(self, event: Event) -> None:
        self._lines.append(event.model_dump_json() + "\n")
        self._upload_chunk("".join(self._lines).encode())
        if len(self._lines) == LINES_PER_CHUNK:
            self._part += 1
            self._lines.clear()

    def _upload_chunk(self, content: bytes) -> None:
        try:
            self._folder.write(f"{self._part:08d}.jsonl", content)
        except OSError as error:
            line = " ".join(str(error).split())
            raise UserError(f"{self._study} cannot be written: {line}") from error


def has_lines_of_its_own(journal: Path, whole: bytes) -> bool:
    """Whether the journal here went another way than `whole`, the bucket's.

    It did not if one of the two only has more events. A last line torn by a kill does not count.
    """
    here = journal.read_bytes() if journal.exists() else b""
    here = here[: here.rfind(b"\n") + 1]
    return not (here.startswith(whole) or whole.startswith(here))


def copy_journal(whole: bytes, journal: Path) -> None:
    """Make the journal here what the bucket has, unless it has that already, and more."""
    if not journal.exists() or not journal.read_bytes().startswith(whole):
        atomic.write_file(journal, whole)


def read_parts(study: Directory) -> bytes:
    """Return the whole journal in the bucket."""
    parts = study / "journal"
    return b"".join(parts.read(name) for name in parts.list_names())
