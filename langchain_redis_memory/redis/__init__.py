"""Ground: the client (the only I/O), the codec, keys and scripts, and small records that every room builds on."""
