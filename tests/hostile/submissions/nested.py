"""A parser that goes too deep; the test writes what follows. Expect: build"""
