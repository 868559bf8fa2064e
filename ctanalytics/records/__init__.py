"""Facts that AWS defines: columns, identities, object keys, digest files. No input or output."""
