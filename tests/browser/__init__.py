"""Pages in a real browser. Run by `make test-browser`, as it needs Chromium and its driver."""
