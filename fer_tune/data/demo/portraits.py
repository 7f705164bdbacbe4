"""Portraits: grey faces drawn from a table of expressions, each of another person."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from fer_tune.data.faces import SIDE

Array = NDArray[Any]
Value = Array | float  # (N, 1), or one value for all faces
Pair = tuple[Value, Value] | Array
Traits = Mapping[str, Array]  # (N, 1) float64 each

SCALE = 3  # faces are drawn larger by this factor, then averaged down
JITTER = 0.15  # standard deviation of each muscle around its expression
CLUTTER = 6  # discs in the background

# How each expression changes a face at rest (Ekman & Friesen 1975, "Unmasking the Face").
MUSCLES = (
    "brow_in", "brow_out", "frown", "lid", "squint", "corner", "open", "wide", "lip", "teeth",
    "nose", "cheek", "forehead")  # fmt: skip
EXPRESSIONS: dict[str, tuple[float, ...]] = {
    "angry":    (-1.3, 0.6, 1.0, 0.4, 0.4, -0.6, 0.25, 0.1, 0.0, 1.6, 0.2, 0.0, 0.0),
    "disgust":  (-0.8, -0.5, 0.5, -0.6, 1.0, -0.8, 0.2, -0.1, 1.3, 1.2, 1.0, 1.0, 0.0),
    "fear":     (1.2, 0.2, 0.7, 1.3, 0.0, -0.6, 0.45, 0.8, 0.0, 0.9, 0.0, 0.0, 1.0),
    "happy":    (0.1, 0.1, 0.0, -0.1, 0.7, 1.0, 0.4, 0.6, 0.0, 1.0, 0.0, 1.0, 0.0),
    "sad":      (0.9, -0.8, 0.5, -0.7, 0.1, -1.2, 0.0, -0.2, 0.0, 0.0, 0.0, 0.2, 0.2),
    "surprise": (1.2, 1.2, 0.0, 1.1, -0.3, 0.0, 1.1, -0.6, 0.0, 0.0, 0.0, 0.0, 0.7),
    "neutral":  (0.0,) * len(MUSCLES),
}  # fmt: skip

# Ranges (low, high) of all that differs between people and pictures. Lengths are in half faces,
# angles in radians, tones from 0 to 255. A beard, glasses and the like are drawn if above 0.
LOOKS: dict[str, tuple[float, float]] = {
    "strength": (0.55, 1.1),  # of the expression
    # pose and framing of the head
    "turn": (-0.45, 0.45), "nod": (-0.2, 0.2), "roll": (-0.2, 0.2),
    "zoom": (0.82, 1.08), "left": (-0.12, 0.12), "top": (-0.1, 0.1),
    # the person
    "skin": (90, 230), "width": (0.66, 0.8), "jaw": (0.05, 0.32), "nose_width": (0.08, 0.14),
    "eye_gap": (0.32, 0.38), "eye_size": (0.85, 1.15), "gaze": (-0.06, 0.06),
    "brow_width": (2, 5.5), "mouth_width": (0.85, 1.15), "beard": (-5, 1), "bald": (-8, 1),
    "hair": (10, 110), "grey": (-9, 1), "hair_end": (-0.7, 1), "hairline": (-0.78, -0.55),
    "parting": (-0.25, 0.25),
    # background, clothes, glasses, objects before the face
    "ground": (0, 255), "clothes": (20, 240), "glasses": (-4, 1),
    "cover": (-4, 1), "cover_side": (-1.2, 1.2), "cover_tone": (10, 240),
    # the photograph
    "light": (0, 2 * np.pi), "light_strength": (0.05, 0.25), "contrast": (1.3, 1.9),
    "blur": (0, 0.4), "grain": (5, 20),
}  # fmt: skip

ALONG = -np.cos(np.linspace(0, np.pi, 13))[None]  # (1, 13), along a lid, lip or brow
ARCH = 1 - ALONG**2
ROUND = np.linspace(0, 2 * np.pi, 28, endpoint=False)[None]  # (1, 28)
SIDES = (-1, 1)


class Shape(NamedTuple):
    """A filled outline, or a line, in each of N faces.

    points: (N or 1, P, 2), x to the right and y down, in half faces from the middle of the face.
    tone: grey from 0 to 255.
    visible: faces in which the shape is drawn.
    width: width of the line in drawn pixels; 0 for a filled outline.
    """

    points: Array
    tone: Value
    visible: Value
    width: Value


def draw_portraits(expressions: Sequence[str], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return (N, 48, 48), a face for each of N names from EXPRESSIONS."""
    n = len(expressions)
    look = {name: rng.uniform(*ends, (n, 1)) for name, ends in LOOKS.items()}
    look["hair"] = np.where(look["grey"] > 0, 190, look["hair"])
    rest = np.array([EXPRESSIONS[name] for name in expressions])
    pose = rest * look["strength"] + rng.normal(0, JITTER, rest.shape)
    muscle = {name: pose[:, [column]] for column, name in enumerate(MUSCLES)}
    shapes = [*_make_background(n, rng), *_make_head(look)]
    shapes += _make_nose(look, muscle) + _make_mouth(look, muscle) + _make_folds(look, muscle)
    shapes += _make_eye(-1, look, muscle) + _make_eye(1, look, muscle) + _make_coverings(look)
    return _apply_light(_draw_shapes(shapes, look), look, rng)


def _line(x: Array, y: Array, tone: Value, width: Value, visible: Value = True) -> Shape:
    return Shape(np.stack(np.broadcast_arrays(x, y), axis=-1), tone, visible, width)


def _disc(middle: Pair, radii: Pair, tone: Value, visible: Value = True) -> Shape:
    x, y = middle[0] + radii[0] * np.cos(ROUND), middle[1] + radii[1] * np.sin(ROUND)
    return _line(x, y, tone, 0, visible)


def _band(x: Array, upper: Array, lower: Array, tone: Value, visible: Value = True) -> Shape:
    """Return the area between two curves over the same x."""
    x, upper, lower = np.broadcast_arrays(x, upper, lower)
    outline = np.hstack([upper, lower[:, ::-1]])
    return _line(np.hstack([x, x[:, ::-1]]), outline, tone, 0, visible)


def _make_background(n: int, rng: np.random.Generator) -> list[Shape]:
    middles, radii = rng.uniform(-1.3, 1.3, (CLUTTER, 2, n, 1)), rng.uniform(0.1, 0.6, (2, n, 1))
    return [_disc(middle, radii, rng.uniform(0, 255, (n, 1))) for middle in middles]


def _make_head(look: Traits) -> list[Shape]:
    skin, hair, width, haired = look["skin"], look["hair"], look["width"], look["bald"] < 0
    arc, end = np.sqrt(ARCH), np.maximum(look["hair_end"], -0.3)
    fringe = look["hairline"] + 0.2 * ALONG**2 + look["parting"] * ALONG
    beard = 0.4 * skin + 0.4 * hair
    jaw = np.cos(ROUND) * width * (1 - look["jaw"] * np.maximum(np.sin(ROUND), 0) ** 2)
    return [
        _band(1.15 * width * ALONG, -1.12 * arc, end * arc**0.5, hair * 0.8, haired),
        _disc((0, 1.5), (1.5, 0.5), look["clothes"]),
        _disc((0, 0.9), (0.42, 0.4), skin * 0.7),
        *(_disc((side * (width + 0.02), -0.05), (0.08, 0.2), skin * 0.85) for side in SIDES),
        _line(jaw, np.sin(ROUND), skin, 0),
        _band(0.94 * width * ALONG, 0.1 + 0.53 * arc, 0.2 + 0.77 * arc, beard, look["beard"] > 0),
        _band(1.02 * width * ALONG, -1.1 * arc, fringe, hair, haired),
    ]  # fmt: skip


def _make_eye(side: int, look: Traits, muscle: Traits) -> list[Shape]:
    skin, middle, size = look["skin"], side * look["eye_gap"], look["eye_size"]
    x = middle + 0.17 * size * ALONG
    above = size * np.maximum(0.075 + 0.075 * muscle["lid"], 0.015)
    below = size * np.maximum(0.06 - 0.06 * muscle["squint"], 0.01)
    iris = look["gaze"] + 0.075 * np.cos(ROUND)
    bow = 1 - (iris / (0.17 * size)) ** 2
    iris_y = np.clip(-0.01 + 0.075 * np.sin(ROUND), -above * bow, below * bow)
    inner = 0.14 - 0.05 * muscle["frown"]
    brow = side * (inner + (0.58 - inner) * (ALONG + 1) / 2)
    hair = np.minimum(look["hair"], skin * 0.4)
    raised = muscle["brow_in"] * (1 - ALONG) / 2 + muscle["brow_out"] * (1 + ALONG) / 2
    bag = -0.2 + (below + 0.07 * muscle["squint"].clip(0)) * ARCH
    return [
        _band(x, -0.2 - above * ARCH, -0.2 + below * ARCH, 60 + skin * 0.75),
        _line(middle + iris, -0.2 + iris_y, 15, 0),
        _line(x, -0.2 - above * ARCH, skin * 0.3, 2),
        _line(x, bag, skin * 0.75, 1),
        _line(brow, -0.43 - 0.13 * raised - 0.05 * ARCH, hair, look["brow_width"]),
    ]


def _make_nose(look: Traits, muscle: Traits) -> list[Shape]:
    skin, wrinkled = look["skin"], muscle["nose"].clip(0)
    width, tip = look["nose_width"] * (1 + 0.3 * wrinkled), 0.2 - 0.06 * wrinkled
    creased, heights = muscle["nose"] > 0.4, (-0.26, -0.17, -0.08)
    return [
        _line(-0.065 + 0 * ALONG, -0.05 + 0.15 * ALONG, skin * 0.82, 2),
        _line(width * ALONG, tip - 0.04 * ALONG**2, skin * 0.65, 3),
        *(_disc((s * width * 0.55, tip - 0.01), (0.03, 0.025), skin * 0.25) for s in SIDES),
        *(_line(0.11 * ALONG, y - 0.04 * ARCH, skin * 0.5, 2, creased) for y in heights),
    ]


def _make_mouth(look: Traits, muscle: Traits) -> list[Shape]:
    skin = look["skin"]
    x = 0.3 * look["mouth_width"] * (1 + 0.35 * muscle["wide"]) * ALONG
    line = 0.5 - 0.13 * muscle["corner"] * (ALONG**2 - 0.35)
    gap = 0.36 * muscle["open"].clip(0) * (1 - ALONG**4)
    upper = line - 0.25 * gap - 0.11 * muscle["lip"] * ARCH
    lower = line + 0.75 * gap
    teeth = np.minimum(gap * 0.9, 0.11) * muscle["teeth"].clip(0, 1)
    bared = (muscle["teeth"] > 0.3) & (muscle["open"] > 0.08)
    return [
        _band(x, upper - 0.055 * ARCH, lower + 0.08 * ARCH, skin * 0.62),
        _band(x, upper, lower, 18),
        _band(0.92 * x, upper, upper + teeth, 235, bared),
        _line(x, upper, skin * 0.3, 2),
    ]


def _make_folds(look: Traits, muscle: Traits) -> list[Shape]:
    """Return the folds from nose to mouth, between the brows and across the forehead."""
    tone = look["skin"] * 0.68
    cheek, brows = 0.32 + 0.12 * ALONG + 0.08 * ARCH, -0.42 + 0.1 * ALONG
    smiles, frowns = muscle["cheek"] > 0.45, muscle["frown"] > 0.6
    raised = muscle["forehead"] > 0.45
    return [
        *(_line(s * cheek, 0.37 + 0.17 * ALONG, tone, 2, smiles) for s in SIDES),
        *(_line(s * 0.05 + 0 * ALONG, brows, tone, 2, frowns) for s in SIDES),
        *(_line(0.34 * ALONG, y - 0.03 * ARCH, tone, 1, raised) for y in (-0.68, -0.61)),
    ]


def _make_coverings(look: Traits) -> list[Shape]:
    """Return glasses, and a disc that hides some of the face like a hand or a scarf."""
    worn, side, hidden = look["glasses"] > 0, look["cover_side"], look["cover"] > 0
    rims = [_disc((s * look["eye_gap"], -0.18), (0.25, 0.2), 25, worn) for s in SIDES]
    return [
        *(rim._replace(width=2) for rim in rims),
        _line(0.1 * ALONG, -0.2 + 0 * ALONG, 25, 2, worn),
        _disc((side, 0.9 - 0.3 * side**2), (0.35, 0.5), look["cover_tone"], hidden),
    ]


def _draw_shapes(shapes: Sequence[Shape], look: Traits) -> NDArray[np.float32]:  # (N, 48, 48)
    size, count = (SCALE * SIDE, SCALE * SIDE), len(look["skin"])
    images = [Image.new("L", size, int(tone)) for tone in look["ground"][:, 0]]
    pens = [ImageDraw.Draw(image) for image in images]
    for shape in shapes:
        paths = _turn_heads(shape.points, look).reshape(count, -1).tolist()
        traits = (np.broadcast_to(trait, (count, 1)).astype(int) for trait in shape[1:])
        columns = (trait[:, 0].tolist() for trait in traits)
        for pen, path, tone, visible, width in zip(pens, paths, *columns, strict=True):
            if visible and width:
                pen.line(path, tone, width)
            elif visible:
                pen.polygon(path, tone)
    lenses = map(ImageFilter.BoxBlur, look["blur"][:, 0].tolist())
    pairs = zip(images, lenses, strict=True)
    return np.array([image.reduce(SCALE).filter(lens) for image, lens in pairs], np.float32)


def _turn_heads(points: Array, look: Traits) -> Array:
    """Return the points of turned and nodding round heads: (N, P, 2) on the canvas."""
    x, y = points[..., 0], points[..., 1]
    depth = 0.6 * np.sqrt(np.clip(1 - (x / 0.9) ** 2 - (y / 1.2) ** 2, 0, 1))
    x = x * np.cos(look["turn"]) + depth * np.sin(look["turn"]) + look["left"]
    y = y * np.cos(look["nod"]) + depth * np.sin(look["nod"]) + look["top"]
    cos, sin = np.cos(look["roll"]), np.sin(look["roll"])
    turned = np.stack([x * cos - y * sin, x * sin + y * cos], axis=-1)
    return (turned * look["zoom"][..., None] + 1) * SCALE * SIDE / 2


def _apply_light(images: Array, look: Traits, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Add light from one side, contrast and grain."""
    angle, strength, contrast, grain = (
        look[name][..., None].astype(np.float32)
        for name in ("light", "light_strength", "contrast", "grain")
    )
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j].astype(np.float32)
    light = 1 + strength * (np.cos(angle) * x + np.sin(angle) * y)
    images = (images * light - 128) * contrast + 128
    images += grain * rng.standard_normal(images.shape, dtype=np.float32)
    return images.clip(0, 255).astype(np.uint8)
