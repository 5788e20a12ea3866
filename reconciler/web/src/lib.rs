//! HTTP API, console, webhooks and metrics.
