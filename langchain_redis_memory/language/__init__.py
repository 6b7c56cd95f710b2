"""What English sentences tell: pure functions, no Redis."""
