"""What a file really is, by its first bytes: the name may say something else."""

import re
from collections.abc import Collection

from fer_tune.common.errors import UserError

HEAD_BYTES = 512
_UTF8 = "utf-8-sig"  # with or without a byte order mark
WANTED = "fer2013.csv, image folders by class, zips of these, parquet of images with labels"

_CONVERT = f"; convert it to one of the wanted formats: {WANTED}"
_UNPACK = "; unpack it first, and name the file or folder that comes out"
_DOWNLOAD = "; download the file itself again"
_LFS = "; run 'git lfs pull' where it was cloned, or download the file itself"
# (first bytes, what they are, what to do). Patterns are matched at the start.
_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (rb"\x1f[\x8b\x9d\xa0]", "a gzip archive", _UNPACK),
    (rb"(?s).{257}ustar", "a tar archive", _UNPACK),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (rb"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (
        rb"BZh[1-9]1AY|\xfd7zXZ|[\x22-\x28]\xb5\x2f\xfd|\x04\x22\x4d\x18|LZIP|\x5d\0\0|MSCF",
        "a bzip2, xz, Zstandard, LZ4, LZMA or cabinet archive",
        _UNPACK,
    ),
    (rb"PK\x07\x08|PK\x03\x04|PK\x05\x06", "a zip file", _UNPACK),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file", ""),
    (rb"\x93NUMPY", "a NumPy array", ""),
    (rb"\x80[\x02-\x05]|\([ld]p[0-9]", "a Python pickle", ""),
    (rb"ARROW1|FEA1", "an Arrow or Feather file", ""),
    (rb"\xff\xff\xff\xff..\0\0", "an Arrow file", "; save each split with .to_parquet()"),
    (rb"PAR1", "a parquet file", "; give it a name that ends in .parquet"),
    (rb"SQLite format 3\0", "an SQLite database", ""),
    (rb"%PDF", "a PDF document", ""),
    (rb"MATLAB 5\.0 MAT-file", "a MATLAB file", ""),
    (rb"(?s)....ftyp(hei|hev|mif1|msf1|avif)", "a HEIC or AVIF image", "; save it as JPEG or PNG"),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000 image", "; save it as JPEG or PNG"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF....WEBP", "an image", "; name a folder of such images"),
    (rb"version https://git-lfs|/annex/objects/", "a Git LFS pointer, not the file itself", _LFS),
    (rb"\0+\Z", "empty: it holds zero bytes only", _DOWNLOAD),
    (rb"\xff\xfe\0\0|\0\0\xfe\xff", "text in UTF-32", "; save it as UTF-8"),
    (rb"(?i)\s*<(\?xml|[a-z!])", "a page of HTML or XML", _DOWNLOAD),
    (rb'\s*(\{\s*["\']|\[\s*[{\[])', "a JSON file", ""),
)
# Members of archives that are zips by format, but hold no data set.
_ZIP_KINDS: tuple[tuple[str, str], ...] = (
    (r"xl/.*", "an Excel file"),
    (r"(word|ppt)/.*|content\.xml", "an Office document"),
    (r"(.*/)?data\.pkl", "a PyTorch file"),
    (r"[^/]+\.npy", "a NumPy archive (.npz)"),
)


def check_content(head: bytes, name: str) -> None:
    """Raise UserError if a file that should be a table is something else.

    head: its first `HEAD_BYTES` bytes.
    """
    kind = detect_content(head)
    text = head.rstrip(b"\0")
    control_bytes = sum(byte < 9 or 13 < byte < 32 for byte in text)
    if kind is None and detect_encoding(head) == _UTF8 and control_bytes > len(text) // 20:
        kind = "a binary file of an unknown kind"
    if kind:
        raise UserError(f"{name} is {kind}{'' if ';' in kind else _CONVERT}")


def check_zip_members(members: Collection[str], name: str) -> None:
    """Raise UserError if a zip with these members is the file of another program."""
    for pattern, kind in _ZIP_KINDS:
        if any(re.fullmatch(pattern, member) for member in members):
            raise UserError(f"{name} is {kind}{_CONVERT}")


def detect_encoding(head: bytes) -> str:
    """Return the encoding of a text from its first bytes."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    # UTF-16 without a byte order mark has every second byte zero.
    zeros = head[:4:2] == b"\0\0", head[1:4:2] == b"\0\0"
    return {(True, False): "utf-16-be", (False, True): "utf-16-le"}.get(zeros, _UTF8)


def detect_content(head: bytes) -> str | None:
    """Return what a file is, perhaps with what to do, or None if it has no known first bytes.

    head: its first `HEAD_BYTES` bytes.
    """
    head = head.removeprefix(b"\xef\xbb\xbf")
    known = (f"{kind}{advice}" for start, kind, advice in _KINDS if re.match(start, head))
    return next(known, None)
