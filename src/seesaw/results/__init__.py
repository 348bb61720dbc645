"""The results that people read: tables, verdicts, claims, comparisons, figures and the report.

This package reads files that training and evaluation wrote and computes nothing on a GPU. It does
not know which job makes a file, when, or on which machine.
"""
