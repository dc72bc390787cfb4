"""The bundled trainer: a Qwen-VL embedder on the pairs of a run, with the Modality Pyramid curriculum.

The story of a training, in the order of its files:

1. ``recipe``: what the user asks for; ``outlook`` tells what it will take (``--dry-run``), by the model's ``sizes``.
2. ``pool``: the pairs of the run, and the videos that are held out.
3. ``training``: the story itself; ``session`` opens all that it works with.
4. ``prober`` and ``curriculum``: how near the pairs of each task are, and so which task each step trains;
   ``hard``: the negatives that the prober mines.
5. ``batches``, ``samples``, ``feed``: the pairs of a step, read and cut into tokens and patches by workers.
6. ``embedder``: the model, one unit vector for a sequence; ``vision``: what its frozen eyes saw before.
7. ``step``: one of them, over all processes (``ranks``): ``loss`` and ``gradients``.
8. ``checkpoint``, ``metrics``, ``holdout``: what is kept, told and tried; ``product``: what is left at the end.

Files that need no torch (``recipe``, ``outlook``, ``sizes``, ``pool``, ``curriculum``, ``batches``) work without it.
"""
