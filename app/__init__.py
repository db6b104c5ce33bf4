"""Bindery keeps the binaries that a fleet of devices runs.

The rooms, and who may call whom (checked by import-linter, see pyproject.toml):

settings <- rules <- database <- models <- storage <- reads <- actions
         <- graphql | http | worker <- main <- cli

`rules` says what is allowed, `models` are rows, `storage` is bytes, `reads` answers questions,
`actions` is every write; `graphql`, `http` and `worker` are the three doors.
"""
