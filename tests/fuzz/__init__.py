"""Bad input by the thousand: mutated trip files, and what an independent reading says each has to become."""
