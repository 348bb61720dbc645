"""The paper's figures: the numbers in them, and the notebooks that draw them."""
