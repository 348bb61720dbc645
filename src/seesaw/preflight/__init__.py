"""What can be known of a scale before its first GPU-hour."""
