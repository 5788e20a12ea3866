//! Slack, email and webhook notifications.
