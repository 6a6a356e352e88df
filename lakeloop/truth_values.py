"""The texts that say yes and no in a delivered file, in lower case; 1.0 is what pandas writes beside a gap."""

TRUE, FALSE = ("true", "t", "yes", "1", "1.0"), ("false", "f", "no", "0", "0.0")
