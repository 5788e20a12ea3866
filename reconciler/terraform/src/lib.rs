//! Runs terraform behind a static gate and reads its JSON.
