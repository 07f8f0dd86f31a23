"""Keyed handles, pseudonyms and signatures. Pure: keys come in as bytes, nothing is read or stored here.

Every primitive is the one of the `cryptography` package; FORMAT.md in this folder is the text that
other implementations can follow. Nothing here prints a key: objects that hold one refuse `pickle`
and show only its id.
"""
