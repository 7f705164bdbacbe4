"""The command `studies`: list, rename and delete studies."""
