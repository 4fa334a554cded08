"""How well predictions tell patients apart and how far they are off."""
