"""A module for each command, which imports what it needs inside its function, so that `sic` starts fast."""
