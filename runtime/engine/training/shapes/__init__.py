"""Trains `builtin:shapes`, a causal video model of the Wan2.1 class that is small enough for a laptop."""
