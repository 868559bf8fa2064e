"""The commands: flags in, tables or JSON and an exit code out; the only layer that prints."""
