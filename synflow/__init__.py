"""synflow turns raw web videos with weak captions into retrieval training pairs."""

__version__ = "0.1.0"
