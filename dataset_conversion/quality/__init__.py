"""Pictures of every converted case, and a page to look through them."""
