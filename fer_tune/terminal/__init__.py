"""What a study looks like in the terminal, while it runs and when it ends."""
