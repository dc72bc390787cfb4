"""The run directory: what its files are called, how they are written, read and checked."""
