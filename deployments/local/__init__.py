"""The local platform: what the project needs to run on one machine, without any cloud."""
