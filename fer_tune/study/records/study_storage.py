"""Where studies are kept."""

import re
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fer_tune.common.errors import UserError
from fer_tune.common.filesystem import Directory, is_bucket, open_directory
from fer_tune.common.lock import LOCK, hold_lock
from fer_tune.defaults import BUCKET_COPIES_FOLDER, STUDIES_FOLDER
from fer_tune.study.records import event_log, settings
from fer_tune.study.records.bucket_log import (
    BucketLog,
    copy_journal,
    has_lines_of_its_own,
    read_parts,
)


@dataclass(frozen=True)
class StudyStorage:
    """A folder of the studies' folders, or a bucket of them.

    Of a study in a bucket, this machine has a copy of all but the checkpoints, in which it works.

    address: as the user gave it.
    here: the folder of the studies' folders on this machine.
    """

    address: str = str(STUDIES_FOLDER)

    @property
    def local_dir(self) -> Path:
        if is_bucket(self.address):
            # Other addresses may read the same so.
            mark = sha256(self.address.encode()).hexdigest()[:8]
            return BUCKET_COPIES_FOLDER / (re.sub(r"[^\w.-]+", "_", self.address) + f"-{mark}")
        return Path(self.address)

    def __str__(self) -> str:
        return self.address

    def open_study_directory(self, name: str) -> Directory:
        """The study's folder, as every machine of a cluster must reach it.

        Raises UserError where `name` is no name for a study, and may lead out of the storage.
        """
        settings.check_study_name(name)
        if is_bucket(self.address):
            return open_directory(self.address) / name
        return open_directory(str(self.local_dir.resolve())) / name

    def fetch_study(self, name: str) -> None:
        """Bring what this machine has of the study up to what its bucket has.

        A copy that does not match is set aside: the bucket has no such study, or other events.
        Raises UserError if the bucket cannot be read.
        """
        if not is_bucket(self.address):
            return
        study, copy = self.open_study_directory(name), self.local_dir / name / event_log.FILE
        try:
            content = study.read(settings.FILE) if settings.FILE in study.list_names() else None
            whole = read_parts(study) if content is not None else b""
        except OSError as error:
            raise make_storage_error(self.address, error) from error
        is_known = (self.local_dir / name / settings.FILE).exists()
        if is_known and (content is None or has_lines_of_its_own(copy, whole)):
            self._set_aside(name)
        if content is None:
            return
        try:
            # It may hold a password.
            open_directory(str(self.local_dir / name)).write(settings.FILE, content, private=True)
            copy_journal(whole, copy)
        except OSError as error:
            raise UserError(
                f"{self.local_dir / name} cannot be written: {error.strerror}"
            ) from error

    def _set_aside(self, name: str) -> None:
        """Move the copy of the study here to where `--storage` finds it, and say so."""
        # No study's name begins like this.
        aside = self.local_dir / "_set-aside" / time.strftime("%Y%m%d-%H%M%S")
        try:
            with hold_lock(self.local_dir / name / LOCK, f"study {name}"):
                aside.mkdir(parents=True, exist_ok=True)
                (self.local_dir / name).rename(aside / name)
        except OSError as error:
            raise UserError(f"{self.local_dir / name} cannot be moved: {error.strerror}") from error
        print(
            f"The copy of study {name} on this machine does not match {self}. It is in {aside} "
            f"now; to go on with it: --resume {name} --storage {aside}",
            file=sys.stderr,
        )

    def check_not_in_bucket(self, name: str) -> None:
        """Raise UserError if no new study can have this name in the storage.

        Either the name is taken, or a folder of that name is there which is no study.
        """
        if is_bucket(self.address):
            try:
                files = self.open_study_directory(name).list_names()
            except OSError as error:
                raise make_storage_error(self.address, error) from error
            settings.check_content(files, name, str(self))
        settings.check_name_available(self.local_dir, name)

    def upload_settings(self, name: str) -> None:
        """Put the settings of the study that are here into its bucket, where it has one."""
        if is_bucket(self.address):
            content = (self.local_dir / name / settings.FILE).read_bytes()
            try:
                self.open_study_directory(name).write(settings.FILE, content)
            except OSError as error:
                raise make_storage_error(self.address, error) from error

    def delete_settings(self, name: str) -> None:
        """Delete the settings that this process wrote for a study which then did not begin."""
        path = self.local_dir / name / settings.FILE
        content = path.read_bytes()
        path.unlink()
        if is_bucket(self.address):
            study = self.open_study_directory(name)
            with suppress(OSError):  # told already, by what kept the study from beginning
                if study.read(settings.FILE) == content:  # and not another machine's
                    study.delete(settings.FILE)

    def make_bucket_logs(self, name: str) -> list[BucketLog]:
        """The observers that keep the study's journal in its bucket, where it has one."""
        if is_bucket(self.address):
            return [
                BucketLog(self.open_study_directory(name), self.local_dir / name / event_log.FILE)
            ]
        return []


def make_storage_error(address: str, error: Exception) -> UserError:
    """What to tell where a storage cannot be read or written."""
    line = " ".join(str(error).split())[:200]
    return UserError(
        f"--storage {address}: {line}; is the address right, does the bucket exist, and are "
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for a store of your own, AWS_ENDPOINT_URL "
        "set?"
    )
