"""Pictures: the numbers in `.frame`, the drawing in `.plot(ax)`."""
