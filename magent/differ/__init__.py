"""What differs: between two workflow files, and between two runs. Pure, but for reading them."""
