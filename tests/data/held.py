"""The same faces in every format."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray
from PIL import Image

from fer_tune.data.faces import EMOTIONS, SPLIT_NAMES

USAGES = ("Training", "PublicTest", "PrivateTest")
SPLIT_OF = dict(zip(USAGES, SPLIT_NAMES, strict=True))


@dataclass(frozen=True, eq=False)
class Face:
    label: int
    usage: str
    image: NDArray[np.uint8]

    @property
    def emotion(self) -> str:
        return EMOTIONS[self.label]

    @property
    def pixels(self) -> str:
        return " ".join(map(str, self.image.ravel()))

    @property
    def png(self) -> bytes:
        packed = io.BytesIO()
        Image.fromarray(self.image).save(packed, "PNG")
        return packed.getvalue()


def drawn_faces() -> list[Face]:
    rng = np.random.default_rng(0)
    return [
        Face(label, usage, rng.integers(0, 256, (48, 48), dtype=np.uint8))
        for usage, number in zip(USAGES, (6, 2, 2), strict=True)
        for label in range(len(EMOTIONS))
        for _ in range(number)
    ]


def write_csv(faces: list[Face], folder: Path) -> Path:
    rows = [f"{f.label},{f.pixels},{f.usage}\n" for f in faces]
    return written(folder / "fer2013.csv", "emotion,pixels,Usage\n" + "".join(rows))


def write_quoted_csv(faces: list[Face], folder: Path) -> Path:
    rows = [f'"{f.label}","{f.pixels}","{f.usage}"\r\n' for f in faces]
    return written(folder / "fer.csv", '\ufeff"emotion","pixels","Usage"\r\n' + "".join(rows))


def write_icml_csv(faces: list[Face], folder: Path) -> Path:
    rows = [f"{f.label},{f.usage},{f.pixels}\n" for f in faces]
    return written(folder / "icml_face_data.csv", "emotion, Usage, pixels\n" + "".join(rows))


def write_kaggle_folders(faces: list[Face], folder: Path) -> Path:
    for index, face in enumerate(faces):
        split = "train" if face.usage == "Training" else "test"
        place(face, folder / "fer" / split / face.emotion / f"{face.usage}_{index}.png")
    (folder / "fer" / "test" / "happy" / "Thumbs.db").write_bytes(b"no image")
    return folder / "fer"


def write_spelled_folders(faces: list[Face], folder: Path) -> Path:
    spelled = ("anger", "Disgusted", "FEARFUL", "happiness", "sadness", "surprised", "6_Neutral")
    splits = dict(zip(USAGES, ("Training", "val", "test"), strict=True))
    for index, face in enumerate(faces):
        # One folder too deep, as an unpacked archive often is.
        target = folder / "fer" / "images" / splits[face.usage] / spelled[face.label]
        place(face, target / f"{index}.png")
    return folder / "fer"


def write_folders_zip(faces: list[Face], folder: Path) -> Path:
    with zipfile.ZipFile(folder / "fer.zip", "w") as archive:
        for index, face in enumerate(faces):
            name = f"{SPLIT_OF[face.usage]}/{face.emotion}/{index}.png"
            archive.writestr(name, face.png)
            archive.writestr(f"__MACOSX/{name}", b"no image")
    return folder / "fer.zip"


def write_csv_zip_in_folder(faces: list[Face], folder: Path) -> Path:
    with zipfile.ZipFile(folder / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(write_csv(faces, folder), "fer2013/fer2013.csv")
    (folder / "fer2013.csv").unlink()
    return folder


def write_hub_parquet(faces: list[Face], folder: Path) -> Path:
    names = sorted(EMOTIONS)
    features = {"label": {"names": names, "_type": "ClassLabel"}, "image": {"_type": "Image"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    for usage in sorted({f.usage for f in faces}):
        own = [f for f in faces if f.usage == usage]
        table = pa.table(
            {
                "image": [{"bytes": f.png, "path": None} for f in own],
                "label": [names.index(f.emotion) for f in own],
            }
        )
        file = folder / "data" / f"{SPLIT_OF[usage]}-00000-of-00001.parquet"
        file.parent.mkdir(exist_ok=True)
        pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), file)
    return folder


def write_plain_parquet(faces: list[Face], folder: Path) -> Path:
    columns = {
        "Usage": [f.usage for f in faces],
        "emotion": [f.label for f in faces],
        "png": [f.png for f in faces],
    }
    pyarrow.parquet.write_table(pa.table(columns), folder / "fer.parquet")
    return folder / "fer.parquet"


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def place(face: Face, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(face.png)


WRITERS: tuple[Callable[[list[Face], Path], Path], ...] = (
    write_quoted_csv,
    write_icml_csv,
    write_kaggle_folders,
    write_spelled_folders,
    write_folders_zip,
    write_csv_zip_in_folder,
    write_hub_parquet,
    write_plain_parquet,
)
