use std::path::Path;
use std::rc::Rc;

use anyhow::Result;

use super::super::bench_setup::BenchSetup;
use super::super::receiver::ReceiverCommand;
use super::super::senders::Senders;
use super::TransferContender;

/// A program that downloads by BitTorrent from another program's seeders.
#[derive(Debug)]
pub(super) struct CrossSeeded {
    pub(super) seeders: Rc<dyn TransferContender>,
    pub(super) fetcher: Box<dyn TransferContender>,
}

impl TransferContender for CrossSeeded {
    fn name(&self) -> &'static str {
        self.fetcher.name()
    }

    fn description(&self) -> &'static str {
        self.fetcher.description()
    }

    fn missing_requirement(&self) -> Option<String> {
        self.fetcher.missing_requirement().or_else(|| self.seeders.missing_requirement())
    }

    fn max_senders(&self) -> usize {
        self.fetcher.max_senders().min(self.seeders.max_senders())
    }

    fn start_senders(&self, setup: &BenchSetup, count: usize) -> Result<Senders> {
        self.seeders.start_senders(setup, count)
    }

    fn receiver_command(
        &self,
        setup: &BenchSetup,
        senders: &Senders,
        folder: &Path,
    ) -> Result<ReceiverCommand> {
        self.fetcher.receiver_command(setup, senders, folder)
    }

    fn reported_rate(&self, line: &str) -> Option<f64> {
        self.fetcher.reported_rate(line)
    }
}
