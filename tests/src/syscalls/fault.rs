//! The faults that can be injected and the calls they apply to.

use std::fmt::{self, Display, Formatter};

use clap::ValueEnum;
use nix::errno::Errno;

use super::call::WatchedCall;

/// A fault in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InjectedFault {
    /// The program is killed before the call.
    KillBefore,
    /// The program is killed after the call.
    KillAfter,
    /// The call fails with an I/O error.
    Eio,
    /// The call fails with a full disk.
    Enospc,
}

impl InjectedFault {
    /// All faults.
    pub const ALL: [Self; 4] = [Self::KillBefore, Self::KillAfter, Self::Eio, Self::Enospc];

    /// Returns true if the fault kills the program.
    pub const fn is_kill(self) -> bool {
        matches!(self, Self::KillBefore | Self::KillAfter)
    }

    /// Returns the error of the failing call, if any.
    pub const fn error(self) -> Option<Errno> {
        match self {
            Self::KillBefore | Self::KillAfter => None,
            Self::Eio => Some(Errno::EIO),
            Self::Enospc => Some(Errno::ENOSPC),
        }
    }
}

impl Display for InjectedFault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = self.to_possible_value().map(|value| value.get_name().to_owned());
        f.write_str(&name.unwrap_or_default())
    }
}

/// One call of a run, identified by its name, its path and a sequence number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetCall {
    /// The call.
    pub call: WatchedCall,
    /// Number of earlier calls with the same name and path.
    pub before: usize,
}

impl Display for TargetCall {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.call)?;
        if self.before > 0 { write!(f, " (number {})", self.before + 1) } else { Ok(()) }
    }
}

/// Numbers the calls of a run.
pub fn number_calls(calls: Vec<WatchedCall>) -> Vec<TargetCall> {
    let mut targets: Vec<TargetCall> = Vec::new();
    for call in calls {
        let before = targets.iter().filter(|target| target.call == call).count();
        targets.push(TargetCall { call, before });
    }
    targets
}
