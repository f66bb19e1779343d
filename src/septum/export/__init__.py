"""A finished run as something to hand on: ONNX graphs, weights and a model card."""

from septum.export.folder import Exported, export

__all__ = ["Exported", "export"]
