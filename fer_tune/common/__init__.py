"""What every package needs and what knows nothing of faces, studies or models."""
