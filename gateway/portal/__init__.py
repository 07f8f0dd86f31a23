"""The pages of the people whose data it is, served by the gateway itself under a reserved prefix."""
