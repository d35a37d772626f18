use tokio::sync::watch;

/// Tells of every change of a list that may have two parts.
#[derive(Debug, Clone)]
pub struct ShareChanges {
    first: watch::Receiver<u64>,
    second: Option<watch::Receiver<u64>>,
}

impl ShareChanges {
    /// Follows a list of one part, by the number of its state, which grows.
    pub const fn of_one(only: watch::Receiver<u64>) -> Self {
        Self { first: only, second: None }
    }

    /// Follows a list of two parts, each by its own number.
    pub const fn of_both(first: watch::Receiver<u64>, second: watch::Receiver<u64>) -> Self {
        Self { first, second: Some(second) }
    }

    /// Returns the number of the whole list's state, which grows with every change of either part.
    pub(super) fn generation(&self) -> u64 {
        *self.first.borrow() + self.second.as_ref().map_or(0, |second| *second.borrow())
    }

    /// Returns the same number, and takes what was changed until now as seen.
    pub(super) fn take_generation(&mut self) -> u64 {
        *self.first.borrow_and_update() + self.second.as_mut().map_or(0, |second| *second.borrow_and_update())
    }

    /// Waits for a change that was not seen; never returns when there can be no more. Cancel safe.
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

async fn next_change(numbers: &mut watch::Receiver<u64>) {
    if numbers.changed().await.is_err() {
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
