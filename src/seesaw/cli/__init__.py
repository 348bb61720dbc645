"""The command line: one module for each group of verbs, and the checks before a workflow starts.

This room turns arguments into calls, and errors into messages and exit codes. No other room may
import it. Heavy libraries are imported inside the verbs, not when this room is imported.
"""
