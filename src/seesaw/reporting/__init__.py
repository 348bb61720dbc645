"""Tables and what is printed in them."""
