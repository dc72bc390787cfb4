"""Models behind one narrow interface: `synflow.asks.Vlm` and `synflow.asks.Embedder`.

`contract` opens a backend by the ``use`` of a manifest entry. `signals` measures and needs no weights;
`openai_http` asks a server. `journal` and `resilience` wrap any of them.
"""
