import io
import sys

import numpy as np
from PIL import Image

from fer_tune.tracking.figures import confusion_figure, confusion_table

CONFUSION = [[8, 2], [0, 0]]
CLASSES = ("happy", "sad")


def test_the_picture_gives_counts_and_shares_and_needs_no_display() -> None:
    figure = confusion_figure(CONFUSION, CLASSES, "validation, epoch 3")
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "8\n80%",
        "2\n20%",
        "0\n0%",
        "0\n0%",
    ]
    image = io.BytesIO()
    figure.savefig(image)
    assert np.asarray(Image.open(image)).std() > 0
    assert "matplotlib.pyplot" not in sys.modules


def test_the_table_has_a_row_a_true_class() -> None:
    assert confusion_table(CONFUSION, CLASSES) == "true,happy,sad\nhappy,8,2\nsad,0,0\n"
