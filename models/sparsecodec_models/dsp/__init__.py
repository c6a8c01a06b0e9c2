"""Signal processing that presets share: mel scale, noise, buffers, distances of sounds."""
