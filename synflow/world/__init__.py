"""The miniature world: rendered clips whose truth is known, for the demo, the tests and the benchmarks.

Importing this package loads neither a decoder nor OpenCV; `synflow.world.render` does.
"""
