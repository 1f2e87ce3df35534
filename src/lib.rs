//! `patterns`: the sidecar, the ambassador and the adapter in one binary.
