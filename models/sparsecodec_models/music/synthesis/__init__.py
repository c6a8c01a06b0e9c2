"""Events to sound: controls → notes → samples, a file each."""
