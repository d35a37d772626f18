use std::path::Path;
use std::rc::Rc;

use anyhow::Result;

use super::super::receiver::Receiver;
use super::super::senders::Senders;
use super::super::stage::Stage;
use super::Contender;

/// A program that fetches by BitTorrent from the seeders of another one.
#[derive(Debug)]
pub(super) struct Fed {
    pub(super) seeders: Rc<dyn Contender>,
    pub(super) fetcher: Box<dyn Contender>,
}

impl Contender for Fed {
    fn name(&self) -> &'static str {
        self.fetcher.name()
    }

    fn about(&self) -> &'static str {
        self.fetcher.about()
    }

    fn missing(&self) -> Option<String> {
        self.fetcher.missing().or_else(|| self.seeders.missing())
    }

    fn most_senders(&self) -> usize {
        self.fetcher.most_senders().min(self.seeders.most_senders())
    }

    fn senders(&self, stage: &Stage, count: usize) -> Result<Senders> {
        self.seeders.senders(stage, count)
    }

    fn receiver(&self, stage: &Stage, senders: &Senders, folder: &Path) -> Result<Receiver> {
        self.fetcher.receiver(stage, senders, folder)
    }

    fn own_rate(&self, said: &str) -> Option<f64> {
        self.fetcher.own_rate(said)
    }
}
