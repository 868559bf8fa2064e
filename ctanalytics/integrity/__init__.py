"""Is the log itself whole: digest chains, log files against them, what no digest vouches for."""
