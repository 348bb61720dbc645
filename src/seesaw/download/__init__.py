"""What comes from the network: its table, the fetcher, and the unpacking."""
