"""The project that Rollcast ships: settings, URLs, ASGI application, start-up. Wiring only."""
