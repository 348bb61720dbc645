"""What is asked for: experiments, scales, configs, datasets, downloads, claims, paper values.

It reads and checks the files of configs/ and site.yaml and says where results lie. It does not
know how anything is computed, and loads no torch when it is imported.
"""
