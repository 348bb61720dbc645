"""One page of everything that a scale has computed; it needs no network and no other file."""
