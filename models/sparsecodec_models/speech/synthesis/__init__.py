"""Events to sound: controls → voices → frames → samples, a file each."""
