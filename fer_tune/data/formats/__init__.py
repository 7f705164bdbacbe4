"""Every format that people hold faces in, read into one shape: `Decoded`."""

from fer_tune.data.formats.decoded import Decoded
from fer_tune.data.formats.detect import read

__all__ = ["Decoded", "read"]
