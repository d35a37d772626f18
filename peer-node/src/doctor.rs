//! Diagnoses what keeps a node from working well, and suggests a remedy for each problem.
//!
//! [`run_checks`] queries a running node and the system; pure functions assess the answers. Nothing is changed. The prompt's
//! `doctor` and the program's show the same findings.

mod finding;
mod library;
mod machine;
mod network;
mod reachability;
mod state_folder;
mod watching;

pub(crate) use finding::{Finding, Severity};

use crate::discovery::index_client::IndexStatus;
use crate::node::Node;

/// Runs all checks. Network checks take a few seconds altogether.
pub(crate) async fn run_checks(node: &Node, index: &str) -> Vec<Finding> {
    let status = node.index().status().borrow().clone();
    let mut findings = vec![reachability::index(index, &status), reachability::port(node.address(), &status)];
    findings.extend(network::interfaces());
    findings.push(network::broadcasts(node).await);
    findings.push(library::shared_files(&node.library().overview()));
    let clock_ahead = match &status {
        IndexStatus::Online { index_info, .. } => index_info.clock_ahead,
        _ => None,
    };
    findings.push(machine::clock(std::time::SystemTime::now(), clock_ahead));
    findings.push(machine::free_space(node.share_dir()));
    findings.push(state_folder::state_folder(node.state()));
    findings.push(watching::watching(&node.library().watch_status()));
    findings.push(machine::descriptors());
    findings
}
