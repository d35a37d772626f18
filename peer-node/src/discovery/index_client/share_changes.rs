use tokio::sync::watch;

/// Notifies of changes of a list that has one or two parts.
#[derive(Debug, Clone)]
pub struct ShareChanges {
    first: watch::Receiver<u64>,
    second: Option<watch::Receiver<u64>>,
}

impl ShareChanges {
    /// Follows a list of one part by its generation number.
    pub const fn of_one(only: watch::Receiver<u64>) -> Self {
        Self { first: only, second: None }
    }

    /// Follows a list of two parts by their generation numbers.
    pub const fn of_both(first: watch::Receiver<u64>, second: watch::Receiver<u64>) -> Self {
        Self { first, second: Some(second) }
    }

    /// Returns the generation of the complete list, which grows with every change of either part.
    pub(super) fn generation(&self) -> u64 {
        *self.first.borrow() + self.second.as_ref().map_or(0, |second| *second.borrow())
    }

    /// Returns the generation and marks all changes so far as seen.
    pub(super) fn take_generation(&mut self) -> u64 {
        *self.first.borrow_and_update() + self.second.as_mut().map_or(0, |second| *second.borrow_and_update())
    }

    /// Waits for an unseen change; never returns if no change can come. Cancel safe.
    pub(super) async fn changed(&mut self) {
        tokio::select! {
            () = next_change(&mut self.first) => {}
            () = async {
                match &mut self.second {
                    Some(second) => next_change(second).await,
                    None => std::future::pending().await,
                }
            } => {}
        }
    }
}

async fn next_change(generations: &mut watch::Receiver<u64>) {
    if generations.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn change_of_either_part_changes_the_list() {
        let (one, two) = (watch::Sender::new(1), watch::Sender::new(10));
        let mut changes = ShareChanges::of_both(one.subscribe(), two.subscribe());
        assert_eq!(changes.take_generation(), 11);
        two.send_replace(11);
        changes.changed().await;
        assert_eq!((changes.generation(), changes.take_generation()), (12, 12));
        drop(two);
        one.send_replace(2);
        changes.changed().await;
        assert_eq!(changes.take_generation(), 13);
    }
}
