use tokio::sync::watch;

/// Tells of every change of a list that may have two parts.
#[derive(Debug, Clone)]
pub struct Changes {
    first: watch::Receiver<u64>,
    second: Option<watch::Receiver<u64>>,
}

impl Changes {
    /// Follows a list of one part, by the number of its state, which grows.
    pub const fn of(only: watch::Receiver<u64>) -> Self {
        Self { first: only, second: None }
    }

    /// Follows a list of two parts, each by its own number.
    pub const fn of_both(first: watch::Receiver<u64>, second: watch::Receiver<u64>) -> Self {
        Self { first, second: Some(second) }
    }

    /// Returns the number of the whole list's state, which grows with every change of either part.
    pub(super) fn number(&self) -> u64 {
        *self.first.borrow() + self.second.as_ref().map_or(0, |second| *second.borrow())
    }

    /// Returns the same number, and takes what was changed until now as seen.
    pub(super) fn look(&mut self) -> u64 {
        *self.first.borrow_and_update() + self.second.as_mut().map_or(0, |second| *second.borrow_and_update())
    }

    /// Waits for a change that was not seen; never returns when there can be no more. Cancel safe.
    pub(super) async fn changed(&mut self) {
        tokio::select! {
            () = changed(&mut self.first) => {}
            () = async {
                match &mut self.second {
                    Some(second) => changed(second).await,
                    None => std::future::pending().await,
                }
            } => {}
        }
    }
}

async fn changed(numbers: &mut watch::Receiver<u64>) {
    if numbers.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_of_either_part_is_one_of_the_whole() {
        let (one, two) = (watch::Sender::new(1), watch::Sender::new(10));
        let mut changes = Changes::of_both(one.subscribe(), two.subscribe());
        assert_eq!(changes.look(), 11);
        two.send_replace(11);
        changes.changed().await;
        assert_eq!((changes.number(), changes.look()), (12, 12));
        drop(two);
        one.send_replace(2);
        changes.changed().await;
        assert_eq!(changes.look(), 13);
    }
}
