"""Events to sound: controls, voices, frames, samples."""
