"""A made-up organization on AWS, its CloudTrail log files, and what went wrong in it."""
