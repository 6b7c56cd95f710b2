"""What other packages keep in Redis: pure readers of their layouts, for a migration and for adoption on first touch."""
