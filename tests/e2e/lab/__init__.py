"""What the end-to-end tests are written with: real runtimes, the daemon, real Prometheus."""
