"""A finished run as a local web page: pairs, drops, thresholds, two runs compared, and marks."""
