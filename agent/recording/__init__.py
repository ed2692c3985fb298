"""Recordings: what is received, on one timeline, in files that survive their writer."""
