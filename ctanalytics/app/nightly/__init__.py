"""The night's work: its steps one after another, recorded, and safe to begin again."""
