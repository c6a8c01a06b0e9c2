"""How near one recording is to another, by the measures that codecs are judged with."""
