"""Who works on the units of a run: this process, or actors under Ray."""
