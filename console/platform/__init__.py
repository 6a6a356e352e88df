"""The running platform of one home: its services under one supervisor, everything on loopback.

`services` says what runs, `up` and `down` start and stop it, `status` looks at it.
Containers need no supervisor; `container_*` is what they run instead.
"""
