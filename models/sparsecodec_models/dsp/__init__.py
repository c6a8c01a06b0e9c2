"""Signal processing that presets share: STFT, mel scale, pitch paths, resampling, noise, distances of sounds."""
