use std::fmt;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::namespace::Namespace;
use super::tcp_setting;
use crate::eventually::within;

const ALLOWED: &str = "/proc/sys/net/ipv4/tcp_allowed_congestion_control";
const DEFAULT: &str = "/proc/sys/net/ipv4/tcp_congestion_control";

/// Keeps a connection from starting with what earlier ones to the same host have learnt.
const NO_MEMORY: &str = "/proc/sys/net/ipv4/tcp_no_metrics_save";

/// How long another process may be in the way, which sets and restores what is allowed at the same time.
const AT_ODDS: Duration = Duration::from_secs(2);

/// The congestion control that a system uses by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Congestion {
    /// BBR, which follows the rate and not the loss.
    Bbr,
    /// CUBIC, the default of most systems.
    Cubic,
}

impl Congestion {
    /// Returns why hosts cannot use it, if they cannot.
    pub fn obstacle(self) -> Option<String> {
        match tcp_setting("tcp_available_congestion_control") {
            Ok(available) if available.split(' ').any(|name| name == self.name()) => None,
            Ok(available) => Some(format!("this system has no {self}, only {available}")),
            Err(error) => Some(format!("{error:#}")),
        }
    }

    /// Returns the system's name of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bbr => "bbr",
            Self::Cubic => "cubic",
        }
    }

    /// Makes it the default of a namespace, where connections start with no knowledge of earlier ones.
    pub(super) fn set_in(self, namespace: &Namespace) -> Result<()> {
        let set = within(AT_ODDS, || {
            // A namespace may use only what the system allows to everybody; what it uses already stays.
            let _allowed = Allowance::of(self).ok()?;
            namespace.inside(|| fs::write(DEFAULT, self.name())).ok()?.ok()
        });
        if set.is_none() {
            bail!("{self} cannot be made the default of a network namespace");
        }
        namespace.inside(|| fs::write(NO_MEMORY, "1"))?.with_context(|| format!("cannot write {NO_MEMORY}"))
    }
}

impl fmt::Display for Congestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bbr => "BBR",
            Self::Cubic => "CUBIC",
        })
    }
}

/// Allows a congestion control to everybody until dropped.
struct Allowance {
    before: Option<String>,
}

impl Allowance {
    fn of(congestion: Congestion) -> Result<Self> {
        let allowed = tcp_setting("tcp_allowed_congestion_control")?;
        if allowed.split(' ').any(|name| name == congestion.name()) {
            return Ok(Self { before: None });
        }
        fs::write(ALLOWED, format!("{allowed} {}", congestion.name()))?;
        Ok(Self { before: Some(allowed) })
    }
}

impl Drop for Allowance {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // The next one to allow something sees what is allowed by then.
            let _ = fs::write(ALLOWED, before);
        }
    }
}
