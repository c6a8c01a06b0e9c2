"""Files: audio, .sic files, outputs that appear whole or not at all, stores, progress."""
