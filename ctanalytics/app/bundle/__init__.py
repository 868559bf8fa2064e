"""Case bundles: made and checked."""
