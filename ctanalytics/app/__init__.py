"""What commands do: one verb a file, plain arguments in, a frozen result out."""
