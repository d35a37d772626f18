//! Two nodes in one process over loopback, and peers that do not keep to the rules.

mod encrypted;
mod exchange;
mod fetch;
mod hostile;
mod node;
mod presenting;
mod scripted;
mod serving;
