//! The AI gateway.
