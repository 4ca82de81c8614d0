"""Files that people write: the contract and the grading scheme, checked, with every mistake named."""
