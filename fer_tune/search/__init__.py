"""The command `search`: run or resume a study."""
