"""Where studies are kept."""

import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fer_tune.errors import UserError
from fer_tune.folder import Folder, is_bucket, open_folder
from fer_tune.options import COPIES, STUDIES
from fer_tune.study import journal, settings
from fer_tune.study.mirror import Mirror, mirrored


@dataclass(frozen=True)
class Storage:
    """A folder of the studies' folders, or a bucket of them.

    Of a study in a bucket, this machine has a copy of all but the checkpoints, in which it works.

    address: as the user gave it.
    here: the folder of the studies' folders on this machine.
    """

    address: str = str(STUDIES)

    @property
    def here(self) -> Path:
        if is_bucket(self.address):
            # Other addresses may read the same so.
            mark = sha256(self.address.encode()).hexdigest()[:8]
            return COPIES / (re.sub(r"[^\w.-]+", "_", self.address) + f"-{mark}")
        return Path(self.address)

    def __str__(self) -> str:
        return self.address

    def study(self, name: str) -> Folder:
        """The study's folder, as every machine of a cluster must reach it.

        Raises UserError where `name` is no name for a study, and may lead out of the storage.
        """
        settings.check_name(name)
        if is_bucket(self.address):
            return open_folder(self.address) / name
        return open_folder(str(self.here.resolve())) / name

    def fetch(self, name: str) -> None:
        """Bring what this machine has of the study up to what its bucket has.

        Raises UserError where the bucket cannot be read.
        """
        if not is_bucket(self.address):
            return
        here = self.here / name
        try:
            if settings.FILE not in self.study(name).names():
                shutil.rmtree(here, ignore_errors=True)
                return
            content = self.study(name).read(settings.FILE)
            # It may hold a password.
            open_folder(str(here)).write(settings.FILE, content, private=True)
            mirrored(self.study(name), here / journal.FILE)
        except OSError as error:
            raise unreachable(self.address, error) from error

    def require_new(self, name: str) -> None:
        """Raises UserError where the bucket has a study of that name by now."""
        if is_bucket(self.address):
            try:
                taken = settings.FILE in self.study(name).names()
            except OSError as error:
                raise unreachable(self.address, error) from error
            if taken:
                raise UserError(f"study {name} is in {self} by now; take another --study name")

    def keep_settings(self, name: str) -> None:
        """Put the settings of the study that are here into its bucket, where it has one."""
        if is_bucket(self.address):
            content = (self.here / name / settings.FILE).read_bytes()
            try:
                self.study(name).write(settings.FILE, content)
            except OSError as error:
                raise unreachable(self.address, error) from error

    def forget(self, name: str) -> None:
        """Remove the study, which did not begin."""
        shutil.rmtree(self.here / name, ignore_errors=True)
        if is_bucket(self.address):
            with suppress(OSError):  # told already, by what kept the study from beginning
                self.study(name).remove()

    def mirrors(self, name: str) -> list[Mirror]:
        """The observers that keep the study's journal in its bucket, where it has one."""
        if is_bucket(self.address):
            return [Mirror(self.study(name), self.here / name / journal.FILE)]
        return []


def unreachable(address: str, error: Exception) -> UserError:
    """What to tell where a storage cannot be read or written."""
    line = " ".join(str(error).split())[:200]
    return UserError(
        f"--storage {address}: {line}; is the address right, does the bucket exist, and are "
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, for a store of your own, AWS_ENDPOINT_URL "
        "set?"
    )
