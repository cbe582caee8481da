"""The public archives that can be converted: what their downloads hold and how masks are drawn of it."""
