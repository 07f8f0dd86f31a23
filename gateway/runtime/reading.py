"""How bodies come from the adapter."""

from enum import Enum


class Reading(Enum):
    """How the adapter has to hand over a body."""

    UNREAD = "unread"
    WHOLE = "whole"
    FLOWING = "flowing"
    TRIED = "tried"
    """Whole, if it is no longer than may be held; else flowing."""
