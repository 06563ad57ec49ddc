"""One step on one host: connectors, the runner on the host, its journal, and text made of its bytes."""
