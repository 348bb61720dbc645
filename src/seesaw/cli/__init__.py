"""The command line: one module a group of verbs, and the checks before a run.

It turns arguments into calls and errors into sentences and exit codes. No other room may
import it; heavy libraries load inside the verbs, not when it is imported.
"""
