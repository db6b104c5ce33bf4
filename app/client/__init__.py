"""The command line's other end: programs that talk to a server over HTTP, as any client would.

Nothing here knows the server's rooms but `rules`, whose words both ends share.
"""
