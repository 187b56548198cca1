"""The built-ins: they enter by the same door as everybody."""
