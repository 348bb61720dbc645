"""Everything that a person reads: tables, verdicts, claims, comparisons, figures, the page.

It reads files that training and evaluation left and computes nothing anew on a GPU. It does not
know which job makes a file, when, or on which machine.
"""
