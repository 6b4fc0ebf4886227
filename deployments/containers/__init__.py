"""What runs inside the image beside the flows: the worker's command, health checks, the emulator's bucket."""
