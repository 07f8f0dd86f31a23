"""The sans-I/O engine: routes, plans, rewriting, records and refusals."""
