//! Journal, history, leases, audit and outbox in SQLite.
