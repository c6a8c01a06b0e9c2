"""The network that finds notes, what it sees, and how its answers become notes."""
