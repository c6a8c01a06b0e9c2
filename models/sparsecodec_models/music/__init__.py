"""The preset `music`: every note an event."""
