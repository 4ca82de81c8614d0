"""A class: submissions found and unpacked, judged one by one, kept, and what came of all of them."""
