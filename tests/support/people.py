"""Handles of people in a state directory, as the gateway gives them."""

from pathlib import Path

from gateway.runtime.erasure import open_subjects
from gateway.stores.keyfile import load_keyring


def handle_of(state: Path, identifier: str) -> str:
    """The person's handle; makes a key for whoever has none."""
    store = open_subjects(state, load_keyring(state))
    try:
        return store.handle(identifier)
    finally:
        store.close()
