"""Rules on the text of captions: patterns are data (`captions.yaml`), each with examples that a test runs."""
