"""How the weights, word lists and lexica in the package were made."""
