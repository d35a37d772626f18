//! Tests nodes in one process over loopback, and peers that violate the protocol.

mod encrypted;
mod extended_handshake;
mod fetch;
mod hostile;
mod node;
mod scripted_peer;
mod seeding;
mod transfer;
