"""What a model may answer, and what is wrong with what it did; the same for every model."""

from synflow.answers.faults import FAULTS, fault_of, faults_of, is_repetitive, words
from synflow.answers.instructions import handed, instructs
from synflow.answers.mending import MENDABLE, mending
from synflow.answers.shapes import SHAPES, Shape, schema_of

__all__ = [
    "FAULTS", "MENDABLE", "SHAPES", "Shape", "fault_of", "faults_of", "handed", "instructs", "is_repetitive",
    "mending", "schema_of", "words",
]  # fmt: skip
