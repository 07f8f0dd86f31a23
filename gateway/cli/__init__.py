"""The command line: one file for each verb. Exit status: 0 fine, 1 could not run, 2 findings."""
