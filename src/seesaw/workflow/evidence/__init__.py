"""The chain of records behind a number: explained, verified and exported."""
