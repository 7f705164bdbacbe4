"""The places that store studies: a folder, or a bucket with local copies."""

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fer_tune.common import atomic
from fer_tune.common.cli import format_command_line
from fer_tune.common.disk_or_bucket import Directory, DiskDirectory, is_bucket, open_directory
from fer_tune.common.errors import MissingStudyError, UserError, explain_os_errors
from fer_tune.common.lock import LOCK, hold_lock, is_lock_name
from fer_tune.defaults import BUCKET_COPIES_FOLDER, STUDIES_FOLDER
from fer_tune.study.records import event_log
from fer_tune.study.records.settings import FILE, StudySettings, check_study_name


@dataclass(frozen=True)
class StudyStorage:
    """A folder that contains one folder a study.

    address: its path.
    """

    address: str

    def __str__(self) -> str:
        return self.address

    @property
    def local_dir(self) -> Path:
        """The folder on this machine that contains one folder a study."""
        return Path(self.address)

    @property
    def options(self) -> list[str]:
        """The options of a command that name this storage."""
        return [] if self.address == str(STUDIES_FOLDER) else ["--storage", self.address]

    @contextmanager
    def suggest_resume(self, name: str) -> Iterator[None]:
        """Add to a MissingStudyError the command that records the study again, if it is here."""
        try:
            yield
        except MissingStudyError as error:
            if not os.access(self.local_dir / name / FILE, os.F_OK):
                raise
            command = format_command_line("fer_tune.search", ["--resume", name, *self.options])
            raise UserError(f"{error}; to record the study again: {command}") from error

    def open_study_directory(self, name: str) -> Directory:
        """Return the study's folder, in a form that works on every machine of a cluster.

        Raises UserError if a study cannot have this name: it may lead out of the storage.
        """
        check_study_name(name)
        return DiskDirectory(self.local_dir.resolve() / name)

    def fetch_study(self, name: str) -> None:
        """Update this machine's copy of a study, if the storage is a bucket."""

    def check_name_available(self, name: str) -> None:
        """Raise UserError if a new study cannot have this name.

        The name is taken, or a folder of this name contains other things.
        """
        check_study_name(name)
        folder = self.local_dir / name
        with explain_os_errors(f"{folder} cannot be a study's folder", "take another --study name"):
            _check_empty(DiskDirectory(folder), name, str(self.local_dir))

    @contextmanager
    def lock_study(self, name: str) -> Iterator[None]:
        """Hold the study's folder on this machine for this process alone.

        If the study has no settings at the end, delete the lock, and a folder made for it.
        Raises UserError if another process holds the folder.
        """
        path = self.local_dir / name
        folder, is_new = DiskDirectory(path), not path.exists()
        with hold_lock(path / LOCK, f"study {name}"):
            try:
                yield
            finally:
                if FILE not in folder.list_names():
                    folder.delete(LOCK)
                    if is_new:
                        folder.delete_if_empty()

    def write_settings(self, settings: StudySettings) -> Path:
        """Write the settings into the study's folder on this machine, and return the folder.

        Only the owner may read the file, as a tracking URI may contain a password.
        Raises UserError if the file cannot be written.
        """
        folder, content = self.local_dir / settings.name, settings.model_dump_json(indent=2)
        with explain_os_errors(f"{folder} cannot be written", "give another --storage"):
            atomic.write_file(folder / FILE, content.encode(), private=True)
        return folder

    @contextmanager
    def record_settings(self, settings: StudySettings) -> Iterator[None]:
        """Write the settings, and delete those of a new study if the context raises UserError."""
        is_new = not (self.local_dir / settings.name / FILE).exists()
        try:
            self.write_settings(settings)
            yield
        except UserError:
            if is_new:
                self.delete_settings(settings.name)
            raise

    def delete_settings(self, name: str) -> None:
        """Delete the settings that this process wrote for a study that could not begin."""
        (self.local_dir / name / FILE).unlink(missing_ok=True)

    def open_bucket_logs(self, name: str) -> list[event_log.BucketLog]:
        """Return the observer that copies the event log to the bucket, if there is a bucket."""
        return []


@dataclass(frozen=True)
class BucketStorage(StudyStorage):
    """A bucket that contains one folder a study.

    This machine works in a copy of the study, which has no checkpoints.

    address: of the bucket, such as s3://bucket/prefix.
    """

    @property
    def local_dir(self) -> Path:
        # Two addresses may look the same without their special characters.
        digest = sha256(self.address.encode()).hexdigest()[:8]
        return BUCKET_COPIES_FOLDER / (re.sub(r"[^\w.-]+", "_", self.address) + f"-{digest}")

    def open_study_directory(self, name: str) -> Directory:
        check_study_name(name)
        return open_directory(self.address) / name

    def fetch_study(self, name: str) -> None:
        """Update this machine's copy of a study: its settings and its event log.

        If the bucket has no such study, or other events, the copy is moved aside.
        Raises UserError if the bucket cannot be read or the copy cannot be written. The copy of a
        study that runs cannot be moved aside.
        """
        study, copy = self.open_study_directory(name), self.local_dir / name
        log_path = copy / event_log.FILE
        with explain_storage_errors(self.address):
            settings = study.read(FILE) if FILE in study.list_names() else None
            log = event_log.read_bucket_log(study) if settings else b""
        local = event_log.read_local_log(log_path)
        is_other = settings is None or event_log.has_diverged(local, log)
        if is_other and (copy / FILE).exists():
            # No study's name begins with an underscore.
            aside = self.local_dir / "_set-aside" / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
            lock = hold_lock(copy / LOCK, f"study {name}")  # a study that runs here is not moved
            with explain_os_errors(f"{copy} cannot be moved"), lock:
                aside.parent.mkdir(exist_ok=True)
                copy.rename(aside)
            problem = f"The copy of study {name} on this machine does not match {self}."
            print(f"{problem} It was moved to {aside}.", file=sys.stderr)
        if settings is not None:
            with explain_os_errors(f"{copy} cannot be written"):
                atomic.write_file(copy / FILE, settings, private=True)  # it may hold a password
                if not event_log.read_local_log(log_path).startswith(log):
                    atomic.write_file(log_path, log)

    def check_name_available(self, name: str) -> None:
        with explain_storage_errors(self.address):
            _check_empty(self.open_study_directory(name), name, self.address)
        super().check_name_available(name)

    def write_settings(self, settings: StudySettings) -> Path:
        folder = super().write_settings(settings)
        with explain_storage_errors(self.address):
            study = self.open_study_directory(settings.name)
            study.write(FILE, (folder / FILE).read_bytes())
        return folder

    def delete_settings(self, name: str) -> None:
        study = self.open_study_directory(name)
        with suppress(OSError):  # the error that stopped the study is printed already
            # Another machine may have begun a study of this name in the meantime.
            if study.read(FILE) == (self.local_dir / name / FILE).read_bytes():
                study.delete(FILE)
        super().delete_settings(name)

    def open_bucket_logs(self, name: str) -> list[event_log.BucketLog]:
        log_path = self.local_dir / name / event_log.FILE
        return [event_log.BucketLog(self.open_study_directory(name), log_path)]


def open_storage(address: str) -> StudyStorage:
    """Return the storage with this address, a path or a bucket's."""
    return BucketStorage(address) if is_bucket(address) else StudyStorage(address)


def explain_storage_errors(address: str) -> AbstractContextManager[None]:
    """Raise UserError for an OSError, with what may be wrong with a bucket."""
    return explain_os_errors(
        f"--storage {address}",
        "is the address right, does the bucket exist, and are AWS_ACCESS_KEY_ID, "
        "AWS_SECRET_ACCESS_KEY and, for a store of your own, AWS_ENDPOINT_URL set?",
    )


def _check_empty(study_dir: Directory, name: str, storage: str) -> None:
    """Raise UserError if a folder contains more than a killed process leaves.

    storage: the folder or bucket above it, for people.
    """
    names = study_dir.list_names()
    others = [name for name in names if not (is_lock_name(name) or atomic.is_partial_name(name))]
    if FILE in others:
        problem = f"study {name} is in {storage} already"
        raise UserError(f"{problem}; resume it with --resume {name}, or take another --study name")
    if others:
        problem = f"{name} in {storage} is no study, and {others[0]} is in it"
        raise UserError(f"{problem}; take another --study name, or another --storage")
