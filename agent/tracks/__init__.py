"""What a bot publishes: sources of frames, and when their frames leave."""
