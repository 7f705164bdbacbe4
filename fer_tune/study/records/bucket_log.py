"""The event log of a study in a bucket: numbered chunks, since a bucket cannot append to a file."""

from pathlib import Path

from fer_tune.common.disk_or_bucket import Directory
from fer_tune.common.errors import explain_os_errors
from fer_tune.events import Event

LINES_PER_CHUNK = 256  # each event uploads its whole chunk again
FOLDER = "journal"


class BucketLog:
    """An observer that uploads events to the bucket, after `EventLog` has written them.

    study_dir: the study's folder in the bucket.
    local_log: the event log on this machine. Its events that are not in the bucket, because of a
        kill, are uploaded first.
    Raises UserError if the bucket cannot be written.
    """

    def __init__(self, study_dir: Directory, local_log: Path) -> None:
        self._problem = f"{study_dir} cannot be written"
        self._directory = study_dir / FOLDER
        self._chunk = len(self._directory.list_names())
        self._lines: list[str] = []
        if missing := read_local_log(local_log)[len(read_bucket_log(study_dir)) :]:
            self._upload_chunk(missing)
            self._chunk += 1

    def on_event(self, event: Event) -> None:
        self._lines.append(event.model_dump_json() + "\n")
        self._upload_chunk("".join(self._lines).encode())
        if len(self._lines) == LINES_PER_CHUNK:
            self._chunk += 1
            self._lines.clear()

    def _upload_chunk(self, content: bytes) -> None:
        with explain_os_errors(self._problem):
            self._directory.write(f"{self._chunk:08d}.jsonl", content)


def read_bucket_log(study_dir: Directory) -> bytes:
    """Return the event log in the bucket."""
    chunks = study_dir / FOLDER
    return b"".join(chunks.read(name) for name in chunks.list_names())


def read_local_log(path: Path) -> bytes:
    """Return the event log on this machine, empty if there is none."""
    return path.read_bytes() if path.exists() else b""


def has_diverged(local: bytes, remote: bytes) -> bool:
    """Return whether each of two event logs has events that the other lacks.

    A last line that a kill tore does not count.
    """
    local = local[: local.rfind(b"\n") + 1]
    return not (local.startswith(remote) or remote.startswith(local))
