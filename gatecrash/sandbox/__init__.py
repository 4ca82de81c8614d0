"""A world for one target: namespaces, a broker inside them (standard library only), copies of its files."""
