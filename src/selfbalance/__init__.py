"""Self-balancing clusters: web servers that share one virtual IP, each of them able to direct."""
