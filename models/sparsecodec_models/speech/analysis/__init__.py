"""Sound to events: candidates, their ranking, the choice, the fit."""
