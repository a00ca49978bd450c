"""PostgreSQL and Valkey for local work: embedded, private to one checkout, reached through Unix sockets only."""
