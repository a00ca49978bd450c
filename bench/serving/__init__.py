"""How many recommendations a second the API answers, how fast, and what each costs (see `__main__`)."""
