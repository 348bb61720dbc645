"""Download, verify and unpack files, and put them in their place."""
