//! The watched Git repository, through git2.
