"""What comes from the network: the fetcher, the unpacking, and the way into place."""
