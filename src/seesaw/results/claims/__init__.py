"""Tests of the paper's claims at mini scale, with seeds on which no design was tuned."""
