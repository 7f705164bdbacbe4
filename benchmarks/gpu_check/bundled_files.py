"""Files that a bundle has and a checkout has not."""

from pathlib import Path

# Drawing the faces needs more packages.
BUNDLED_FACES = Path(__file__).parent / "faces.npz"
BUNDLED_VERSION = Path(__file__).parent / "version.txt"
