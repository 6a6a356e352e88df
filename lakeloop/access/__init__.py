"""Who acts: tokens with roles, the guard in front of every service's HTTP, and the name that goes on record."""
