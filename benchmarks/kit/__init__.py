"""What several benchmarks share: corpora of known clips, and what a command takes."""
