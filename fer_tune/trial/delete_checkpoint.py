"""The name and the removal of a checkpoint, without torch."""

from fer_tune.common.disk_or_bucket import Directory, delete_partial_files

FILE = "state.pt"


def delete_checkpoint(folder: Directory) -> None:
    """Delete the checkpoint in `folder`, and the folder if nothing else is in it.

    Raises OSError if it cannot be deleted.
    """
    folder.delete(FILE)
    delete_partial_files(folder)
    folder.delete_if_empty()
