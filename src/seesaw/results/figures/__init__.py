"""The paper's figures: their numbers and the notebooks that draw them."""
