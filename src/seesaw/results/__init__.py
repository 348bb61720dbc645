"""The results that people read: tables, claims, comparisons, figures, the report, published models.

This room reads files that training and evaluation wrote and computes nothing on a GPU. It does not
know which job makes a file, when, or on which machine.
"""
