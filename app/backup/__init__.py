"""Backups: records and content as of one moment, in a folder that says itself whether it is whole.

`files` copies and syncs, `manifest` says what a backup holds, `records` copies the database,
`taking` and `restoring` put these together, `commands` is what the command line calls.
"""
