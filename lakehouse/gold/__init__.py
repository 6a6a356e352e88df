"""Silver -> gold: what is trained on, averages, and what was found about them."""
