"""Looking at a finished run: counts, sample pairs, where a pair comes from, what another threshold would keep."""
