"""The token server: decides who may do what in a room, and signs it."""
