"""IAM policies from use: the actions behind calls, what they were used on, what a policy would allow."""
