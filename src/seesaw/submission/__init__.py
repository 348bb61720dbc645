"""Test-dev submission: package, validate, receipt, and a stand-in for the server."""
