"""Neural networks, one architecture per file; what they are used for is told in the methods."""
