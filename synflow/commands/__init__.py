"""What each command does; `synflow.cli` parses the command line and calls these."""
