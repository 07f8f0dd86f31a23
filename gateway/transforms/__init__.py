"""Actions turned into what is done to values. Pure: text in, text out, keys given."""

from gateway.transforms.apply import operation_of

__all__ = ["operation_of"]
