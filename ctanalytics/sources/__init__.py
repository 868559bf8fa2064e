"""Where log files come from: folders and S3, listed in batches and read one by one."""
