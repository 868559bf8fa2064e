"""The commands of case bundles."""
