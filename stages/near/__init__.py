"""How copies are found among the clips of a whole corpus: candidates by hashes, then comparison, then the best."""
