"""The second executor of queries: an operation becomes a few statements and a function.

`planner` keeps the plans and answers; `compiler` turns a selection into `steps`, which read, and a
`builder`, which writes the answer; `views` says how a value is taken from a row or an object.
"""
