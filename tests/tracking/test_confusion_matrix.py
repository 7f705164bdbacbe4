import io
import subprocess
import sys

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_tune.tracking.confusion_matrix import draw_confusion_matrix, format_confusion_csv

CONFUSION = [[8, 2], [0, 0]]
CLASSES = ("happy", "sad")


def _drawn(confusion: list[list[int]]) -> NDArray[np.uint8]:
    picture = draw_confusion_matrix(confusion, CLASSES, "validation, epoch 3")
    file = io.BytesIO()
    picture.save(file, "PNG")
    return np.asarray(Image.open(file))


def test_the_picture_gives_counts_and_shares() -> None:
    drawn = _drawn(CONFUSION)
    assert (drawn != _drawn([[16, 4], [0, 0]])).any()  # the same shares
    assert (drawn != _drawn([[8, 0], [0, 0]])).any()


def test_the_larger_a_share_the_darker_its_cell() -> None:
    def darkest_blue(right: int) -> int:
        pixels = _drawn([[right, 10 - right], [0, 0]]).reshape(-1, 3).astype(int)
        return int(pixels[pixels[:, 2] > pixels[:, 0] + 50].sum(axis=1).min())

    assert darkest_blue(10) < darkest_blue(8) < darkest_blue(6)


def test_a_picture_needs_neither_matplotlib_nor_a_display() -> None:
    code = (
        "import sys; from fer_tune.tracking.confusion_matrix import draw_confusion_matrix;"
        "draw_confusion_matrix([[1]], ['happy'], ''); sys.exit('matplotlib' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={})


def test_a_class_with_a_long_name_has_room() -> None:
    long = draw_confusion_matrix([[1]], ["a feeling that is hard to name"], "")
    assert long.width > draw_confusion_matrix([[1]], ["joy"], "").width


def test_the_table_has_a_row_a_true_class() -> None:
    assert format_confusion_csv(CONFUSION, CLASSES) == "true,happy,sad\nhappy,8,2\nsad,0,0\n"
