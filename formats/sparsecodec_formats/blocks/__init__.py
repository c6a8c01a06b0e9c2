"""How the events of a block become bytes, and back: two codecs, and the statistics that one of them needs."""
