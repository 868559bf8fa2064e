"""Resources as AWS Config saw them change, joined with the calls that changed them."""
