//! The watched repository, from outside: real repositories, a real smart HTTP server on loopback, a real process in
//! the place of `ssh`, and trees that no honest client would write.

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod https;
#[cfg(test)]
mod local;
mod packs;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod ssh;
#[cfg(test)]
mod support;
