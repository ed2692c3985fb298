"""What a bot does with the tracks it receives."""
