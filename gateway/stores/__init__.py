"""Durable state besides the ledger: consent events and key files. One connection serves one thread."""
