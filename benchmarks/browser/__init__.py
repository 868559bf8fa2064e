"""Figures that only a browser can give."""
