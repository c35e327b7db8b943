"""The WebSocket protocol (RFC 6455) without I/O: bytes in, events and bytes out.

Nothing here knows Qt, a socket, a clock or a thread. Names are those of the RFC, in PEP 8.
"""
