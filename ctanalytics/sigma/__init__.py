"""Sigma rules over the lake: files to conditions, conditions to SQL, all rules in shared scans."""
