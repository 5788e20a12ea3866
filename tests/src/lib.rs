//! System tests: the real binaries against real parts.
