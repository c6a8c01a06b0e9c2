"""Analysis of music: from a recording and a list of notes to the events of preset `music`."""
