"""Arrays (z, y, x) cut from an image: masks, boxes, connected components, balls."""
