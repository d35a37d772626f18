use std::fmt;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::namespace::Namespace;
use super::tcp_setting;
use crate::eventually::poll_within;

const ALLOWED_PATH: &str = "/proc/sys/net/ipv4/tcp_allowed_congestion_control";
const DEFAULT_PATH: &str = "/proc/sys/net/ipv4/tcp_congestion_control";

/// Prevents a connection from starting with what earlier connections to the same host have learnt.
const NO_METRICS_SAVE_PATH: &str = "/proc/sys/net/ipv4/tcp_no_metrics_save";

/// Time for which a concurrent process may interfere by setting and restoring the allowed algorithms.
const CONFLICT_TIMEOUT: Duration = Duration::from_secs(2);

/// The default congestion control of a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CongestionAlgorithm {
    /// BBR, which follows the rate rather than the loss.
    Bbr,
    /// CUBIC, the default of most systems.
    Cubic,
}

impl CongestionAlgorithm {
    /// Returns why hosts cannot use the algorithm, or `None` if they can.
    pub fn unavailable_reason(self) -> Option<String> {
        match tcp_setting("tcp_available_congestion_control") {
            Ok(available) if available.split(' ').any(|name| name == self.name()) => None,
            Ok(available) => Some(format!("this system has no {self}, only {available}")),
            Err(error) => Some(format!("{error:#}")),
        }
    }

    /// Returns the system's name for the algorithm.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bbr => "bbr",
            Self::Cubic => "cubic",
        }
    }

    /// Makes the algorithm the default in a namespace and disables saved connection metrics there.
    pub(super) fn set_default_in(self, namespace: &Namespace) -> Result<()> {
        let set = poll_within(CONFLICT_TIMEOUT, || {
            // A namespace may select only algorithms that the system allows to all users; a later restriction has no
            // effect on it.
            let _allowed = CongestionAllowance::allow(self).ok()?;
            namespace.inside(|| fs::write(DEFAULT_PATH, self.name())).ok()?.ok()
        });
        if set.is_none() {
            bail!("cannot make {self} the default in a network namespace");
        }
        namespace
            .inside(|| fs::write(NO_METRICS_SAVE_PATH, "1"))?
            .with_context(|| format!("cannot write {NO_METRICS_SAVE_PATH}"))
    }
}

impl fmt::Display for CongestionAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bbr => "BBR",
            Self::Cubic => "CUBIC",
        })
    }
}

/// Allows all users to select a congestion control until dropped.
struct CongestionAllowance {
    previous: Option<String>,
}

impl CongestionAllowance {
    fn allow(congestion: CongestionAlgorithm) -> Result<Self> {
        let allowed = tcp_setting("tcp_allowed_congestion_control")?;
        if allowed.split(' ').any(|name| name == congestion.name()) {
            return Ok(Self { previous: None });
        }
        fs::write(ALLOWED_PATH, format!("{allowed} {}", congestion.name()))?;
        Ok(Self { previous: Some(allowed) })
    }
}

impl Drop for CongestionAllowance {
    fn drop(&mut self) {
        if let Some(before) = &self.previous {
            // The next allowance starts from the values set by then.
            let _ = fs::write(ALLOWED_PATH, before);
        }
    }
}
