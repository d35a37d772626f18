use std::time::Duration;

pub(crate) use crate::doctor::{Finding, Severity};

use super::Operations;
use super::readiness::is_probed;
use crate::doctor::run_checks;

/// How long the index may take to answer and to probe the port of a new node.
const INDEX_TIMEOUT: Duration = Duration::from_secs(8);

impl Operations {
    /// Checks what keeps the node from working well. `index` is the configured address of the index, for display. Network checks
    /// take a few seconds altogether.
    pub(crate) async fn diagnose(&self, index: &str) -> Vec<Finding> {
        run_checks(&self.node, index).await
    }

    /// Does the same for a node that has just been started: waits at most 8 seconds until the index has probed its port.
    pub(crate) async fn diagnose_new_node(&self, index: &str) -> Vec<Finding> {
        let mut status = self.node.index().status();
        let _ = tokio::time::timeout(INDEX_TIMEOUT, status.wait_for(is_probed)).await;
        self.diagnose(index).await
    }
}
