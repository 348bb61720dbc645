"""The evidence of a number: explained, verified, exported."""
