"""Privacy Gateway: makes a written privacy policy true on the wire."""

__version__ = "0.1.0"
