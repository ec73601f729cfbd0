"""Generated requests against the server: bulk runs inside the VM, real sockets, and h11 as the judge."""
