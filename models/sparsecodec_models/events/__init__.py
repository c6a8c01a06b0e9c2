"""Events of a table as things to hear and measure: single sounds, what each takes out of the whole, redundancy."""
