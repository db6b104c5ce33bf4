"""BYTES: where content lies. Streams and digests; this room knows nothing of binaries.

`content` is the promise, `disk` and `memory` keep it, and another store is one more file that
passes the shared suite (`tests/storage/test_content.py`). The rest is what `disk` is made of:
`pieces` gathers network chunks, `hashing` hashes blocks, `threads` keeps slow work off the
event loop, `folders` knows where files are, `blob` writes and reads one, `erasing` removes them
for good, and `syscalls` has every call that a broken disk may fail.
"""
