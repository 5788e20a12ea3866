//! The embedded runner against the real terraform, and against small programs that misbehave.

mod counts;
mod fake;
mod real;
mod rig;
mod secrets;
