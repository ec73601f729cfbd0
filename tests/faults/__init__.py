"""What the server does when something that it needs fails: descriptors, memory, clients, handlers."""
