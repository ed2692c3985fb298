"""The media bot: joins LiveKit rooms, publishes, and records what others publish."""
