"""Values and messages as bytes, and back."""
