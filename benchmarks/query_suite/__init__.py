"""Parts of the benchmark of questions: the lakes it asks, and the questions."""
